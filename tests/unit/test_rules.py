"""Which source key goes where."""

import pytest

from replicator.errors import Permanent
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.rules import MAX_NAME_BYTES, Deletes, Foreign, Rule, rule_for

RULE = Rule("one", frozenset({"a", "b"}), "replica")


@pytest.mark.parametrize("bucket", ["a", "b"])
def test_a_rule_matches_the_buckets_it_names(bucket):
    assert RULE.matches(SourceKey(bucket, "k"))


@pytest.mark.parametrize("bucket", ["", "c", "A", "ab", "a ", "a/b"])
def test_a_rule_matches_no_other_bucket(bucket):
    assert not RULE.matches(SourceKey(bucket, "k"))
    assert rule_for((RULE,), SourceKey(bucket, "k")) is None


def test_the_first_rule_that_matches_decides():
    other = Rule("two", frozenset({"b", "c"}), "other")
    assert rule_for((RULE, other), SourceKey("b", "k")) is RULE
    assert rule_for((RULE, other), SourceKey("c", "k")) is other
    assert rule_for((), SourceKey("a", "k")) is None


def test_nothing_is_deleted_unless_the_rule_says_so_and_the_source_wins():
    assert (RULE.deletes, RULE.foreign) == (Deletes.IGNORE, Foreign.OVERWRITE)


LONGEST = "é" * (MAX_NAME_BYTES // 2)


@pytest.mark.parametrize(
    "key",
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
def test_an_object_keeps_its_name(key):
    assert RULE.destination(SourceKey("a", key)) == DestinationName("replica", key)


@pytest.mark.parametrize(
    ("key", "problem"),
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
def test_a_name_that_cloud_storage_cannot_hold_is_refused_with_the_reason(key, problem):
    with pytest.raises(Permanent) as refused:
        RULE.destination(SourceKey("a", key))
    assert refused.value.reason is Reason.DESTINATION_NAME_INVALID
    assert problem in refused.value.detail
