"""All rules together: where a key goes, which rule applies there, and whose a name is."""

from dataclasses import replace

import pytest

from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.rules import Deletes, Filter, Rule, RuleSet
from tests.fakes import InMemorySource

KEY = SourceKey("a", "in/k.jpg")
OBJECT = InMemorySource("a").put(KEY, b"12345", tags={"team": "web"})


def rule(id: str, to: str = "replica", *buckets: str, **properties) -> Rule:
    return Rule(id, frozenset(buckets or ("a",)), to, **properties)


def sent(rules: RuleSet, key: SourceKey = KEY) -> dict[str, list[str]]:
    """The destinations of a key, each with the ids of the rules for it, in order."""
    return {str(found.destination): [rule.id for rule in found.rules] for found in rules.assignments(key)}


def test_each_destination_stands_on_its_own():
    rules = RuleSet(
        (rule("one"), rule("two", "other"), rule("three", destination_prefix="copy/"), rule("no", "x", "b"))
    )
    assert sent(rules) == {
        "gs://replica/in/k.jpg": ["one"],
        "gs://other/in/k.jpg": ["two"],
        "gs://replica/copy/in/k.jpg": ["three"],
    }


def test_rules_for_one_name_are_in_the_order_of_their_priority_and_then_of_the_file():
    rules = RuleSet((rule("a"), rule("b", priority=5), rule("c"), rule("d", priority=-1), rule("e", priority=5)))
    assert sent(rules) == {"gs://replica/in/k.jpg": ["b", "e", "a", "c", "d"]}


def test_different_prefixes_that_lead_to_one_name_are_one_destination():
    rules = RuleSet((rule("whole"), rule("part", source_prefix="in/", destination_prefix="in/", priority=1)))
    assert sent(rules) == {"gs://replica/in/k.jpg": ["part", "whole"]}


def test_disabled_rules_and_rules_for_other_keys_send_nothing():
    rules = RuleSet((rule("off", enabled=False), rule("png", filter=Filter(suffix=".png"))))
    assert sent(rules) == {}


@pytest.mark.parametrize(
    ("filters", "applies"),
    [
        ([Filter(), Filter()], ("first", None)),
        ([Filter(max_size=1), Filter()], ("second", None)),
        ([Filter(tags={"team": "ops"}), Filter(tags={"team": "web"})], ("second", None)),
        ([Filter(max_size=1), Filter(tags={"team": "ops"})], ("first", Reason.FILTERED_BY_SIZE)),
    ],
)
def test_the_first_rule_whose_filter_the_object_passes_applies(filters, applies):
    first, second = (rule(id, filter=filter) for id, filter in zip(("first", "second"), filters, strict=True))
    [assignment] = RuleSet((first, second)).assignments(KEY)
    found, reason = assignment.rule_for(OBJECT)
    assert (found.id, reason) == applies


@pytest.mark.parametrize(
    ("low", "high", "decides"),
    [
        (Deletes.IGNORE, Deletes.PROPAGATE, "low"),
        (Deletes.PROPAGATE, Deletes.IGNORE, "high"),
        (Deletes.PROPAGATE, Deletes.PROPAGATE, "high"),
        (Deletes.IGNORE, Deletes.IGNORE, "high"),
    ],
)
def test_for_an_object_that_is_gone_a_rule_that_keeps_replicas_comes_first(low, high, decides):
    """The replica may be its own: which rule it is from, nobody can tell."""
    high_rule = rule("high", priority=1, filter=Filter(max_size=1), deletes=high)
    [assignment] = RuleSet((rule("low", deletes=low), high_rule)).assignments(KEY)
    found, reason = assignment.rule_for(None)
    assert (found.id, reason) == (decides, None)


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([], Reason.BUCKET_NOT_IN_RULES),
        ([rule("other", "replica", "b")], Reason.BUCKET_NOT_IN_RULES),
        ([rule("off", enabled=False)], Reason.RULE_DISABLED),
        ([rule("p", source_prefix="x")], Reason.FILTERED_BY_PREFIX),
        ([rule("p", source_prefix="x"), rule("q", source_prefix="y")], Reason.FILTERED_BY_PREFIX),
        ([rule("s", filter=Filter(suffix="x")), rule("other", "replica", "b")], Reason.FILTERED_BY_SUFFIX),
        ([rule("g", filter=Filter(glob="*"))], Reason.FILTERED_BY_GLOB),
        ([rule("p", source_prefix="x"), rule("off", enabled=False)], Reason.NO_RULE_MATCHES),
    ],
)
def test_a_key_that_goes_nowhere_is_told_why(rules, reason):
    assert RuleSet(tuple(rules)).mismatch(KEY) is reason


def test_a_rule_claims_the_names_it_may_write_and_no_others():
    rules = RuleSet(
        (rule("in", source_prefix="in/", filter=Filter(suffix=".jpg", max_size=1)), rule("off", enabled=False))
    )
    assert rules.claims(KEY, DestinationName("replica", "k.jpg"))
    assert not rules.claims(KEY, DestinationName("replica", "in/k.jpg"))
    assert not rules.claims(KEY, DestinationName("other", "k.jpg"))
    assert not rules.claims(SourceKey("b", KEY.key), DestinationName("replica", "k.jpg"))
    assert not rules.claims(SourceKey("a", "in/k.png"), DestinationName("replica", "k.png"))


def test_a_caller_may_name_a_destination_in_a_bucket_that_some_rule_goes_to():
    to = DestinationName("replica", "elsewhere")
    low, high = rule("low"), rule("high", priority=1, filter=Filter(suffix=".png"))
    found = RuleSet((low, high)).assignment_to(KEY, to)
    assert (found.destination, found.rules) == (to, (replace(high, filter=Filter()),))
    assert RuleSet((low,)).assignment_to(KEY, DestinationName("other", "k")) is None
    assert RuleSet((low,)).assignment_to(SourceKey("b", "k"), to) is None
    assert RuleSet((replace(low, enabled=False),)).assignment_to(KEY, to) is None


def test_only_buckets_of_enabled_rules_may_be_touched():
    rules = RuleSet((rule("one", "x", "a", "b"), rule("off", "y", "c", enabled=False)))
    assert (rules.source_buckets, rules.destination_buckets) == ({"a", "b"}, {"x"})
    assert RuleSet(()).source_buckets == frozenset()
