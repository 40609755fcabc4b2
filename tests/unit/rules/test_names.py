"""Which names Cloud Storage can hold."""

import pytest

from replicator.errors import Permanent
from replicator.model import DestinationName
from replicator.reasons import Reason
from replicator.rules import MAX_NAME_BYTES, require_valid_name
from replicator.rules.names import problem_with_name

LONGEST = "é" * (MAX_NAME_BYTES // 2)


@pytest.mark.parametrize(
    "name",
    [
        "k",
        "a/b//c/",
        "/",
        " ",
        "a b+c%2F",
        "日本/🚀",
        "...",
        "./",
        "../up",
        "a\tb\0c",
        "replicator/k",
        "x/.replicator/k",
        ".replicator",
        ".well-known/acme-challenge",
        "x/.well-known/acme-challenge/k",
        LONGEST,
    ],
)
def test_any_other_name_is_fine(name):
    assert problem_with_name(name) is None


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "has 0"),
        (LONGEST + "x", "has 1025"),
        ("x" * 1025, "has 1025"),
        ("a\nb", "line feed"),
        ("a\rb", "carriage return"),
        (".", "'.'"),
        ("..", "'..'"),
        (".well-known/acme-challenge/k", "acme-challenge"),
        (".replicator/parts/k", "belong to the replicator"),
        (".replicator/", "belong to the replicator"),
        ("a\ud800b", "Unicode"),
    ],
)
def test_a_name_that_cloud_storage_cannot_hold_is_refused_with_the_reason(name, problem):
    with pytest.raises(Permanent) as refused:
        require_valid_name(DestinationName("replica", name))
    assert refused.value.reason is Reason.DESTINATION_NAME_INVALID
    assert problem in refused.value.detail
