"""One rule: which keys are for it, and where they go."""

import pytest

from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.rules import Deletes, Filter, Foreign, Rule

RULE = Rule("one", frozenset({"a", "b"}), "replica")


@pytest.mark.parametrize("bucket", ["a", "b"])
def test_a_rule_is_for_the_buckets_it_names(bucket):
    assert RULE.mismatch_of_key(SourceKey(bucket, "k")) is None


@pytest.mark.parametrize("bucket", ["", "c", "A", "ab", "a ", "a/b"])
def test_a_rule_is_for_no_other_bucket(bucket):
    assert RULE.mismatch_of_key(SourceKey(bucket, "k")) is Reason.BUCKET_NOT_IN_RULES


def test_a_disabled_rule_is_for_no_key():
    disabled = Rule("off", frozenset({"a"}), "replica", enabled=False)
    assert disabled.mismatch_of_key(SourceKey("a", "k")) is Reason.RULE_DISABLED
    assert disabled.mismatch_of_key(SourceKey("c", "k")) is Reason.BUCKET_NOT_IN_RULES


def test_the_source_prefix_and_the_filter_hold_both():
    rule = Rule("one", frozenset({"a"}), "replica", source_prefix="in/", filter=Filter("in/x", ".jpg"))
    mismatches = {key: rule.mismatch_of_key(SourceKey("a", key)) for key in ("in/x.jpg", "in/y.jpg", "x.jpg", "in/x")}
    assert mismatches == {
        "in/x.jpg": None,
        "in/y.jpg": Reason.FILTERED_BY_PREFIX,
        "x.jpg": Reason.FILTERED_BY_PREFIX,
        "in/x": Reason.FILTERED_BY_SUFFIX,
    }


@pytest.mark.parametrize(
    ("source_prefix", "destination_prefix", "key", "name"),
    [
        ("", "", "k", "k"),
        ("in/", "out/", "in/k", "out/k"),
        ("in/", "", "in/k", "k"),
        ("", "out/", "k", "out/k"),
        ("in/", "out/", "in/in/k", "out/in/k"),
        ("in", "out", "in", "out"),
        ("in/", "", "in/", ""),
    ],
)
def test_the_name_is_the_key_with_its_prefix_replaced(source_prefix, destination_prefix, key, name):
    rule = Rule("one", frozenset({"a"}), "replica", source_prefix=source_prefix, destination_prefix=destination_prefix)
    assert rule.destination(SourceKey("a", key)) == DestinationName("replica", name)


def test_nothing_is_deleted_unless_the_rule_says_so_and_the_source_wins():
    assert (RULE.deletes, RULE.foreign) == (Deletes.IGNORE, Foreign.OVERWRITE)
