"""An explanation says of each rule what the protocol does with it, and why."""

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.decide import MAX_OBJECT_SIZE
from replicator.engine import Engine, RetryPolicy
from replicator.errors import Permanent, Transient
from replicator.explain import explain
from replicator.model import DestinationName, Failure, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Filter, Foreign, Rule, RuleSet
from replicator.transfer import Transfer
from tests.fakes import InMemoryDestination, InMemorySource

KEY = SourceKey("source", "logs/day.csv")
REPLICA = DestinationName("replica", "logs/day.csv")


class World:
    """Both sides in memory, and an engine with these rules between them."""

    def __init__(self, *rules: Rule) -> None:
        self.rules = RuleSet(rules)
        self.source = InMemorySource("source")
        self.destination = InMemoryDestination({"replica", "archive"})
        transfer = Transfer(self.source, self.destination, 64 * 1024)
        reconciler = Reconciler(self.source, self.destination, transfer, self.rules)
        self.engine = Engine(self.rules, reconciler, RetryPolicy(0, 0.0, 1.0, lambda seconds: None), 60)

    def explain(self, key: SourceKey = KEY):
        return self.engine.explain(key)

    def copy(self, key: SourceKey = KEY) -> None:
        self.engine.replicate(key, self.engine.new_deadline())


def rule(name: str = "default", to: str = "replica", **properties) -> Rule:
    return Rule(name, frozenset({"source"}), to, **properties)


def no_look(*_):
    raise AssertionError("it was looked at")


def verdicts(explanation) -> list[tuple]:
    return [(found.rule.id, found.applies, found.reason, found.detail) for found in explanation.verdicts]


# --- Rules ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_rule", "reason", "detail"),
    [
        (Rule("default", frozenset({"b", "a"}), "replica"), Reason.BUCKET_NOT_IN_RULES, "it is for s3://a, s3://b"),
        (rule(enabled=False), Reason.RULE_DISABLED, "it is disabled"),
        (rule(source_prefix="in/"), Reason.FILTERED_BY_PREFIX, "the key does not begin with 'in/'"),
        (rule(filter=Filter(prefix="x")), Reason.FILTERED_BY_PREFIX, "the key does not begin with 'x'"),
        (
            rule(source_prefix="logs/", filter=Filter(prefix="logs/n")),
            Reason.FILTERED_BY_PREFIX,
            "the key does not begin with 'logs/n'",
        ),
        (rule(filter=Filter(suffix=".txt")), Reason.FILTERED_BY_SUFFIX, "the key does not end with '.txt'"),
        (rule(filter=Filter(glob="*.csv")), Reason.FILTERED_BY_GLOB, "the key does not match '*.csv'"),
    ],
)
def test_a_rule_that_is_not_for_the_key_says_why_and_neither_side_is_read(of_rule, reason, detail):
    world = World(of_rule)
    world.source.stat = world.destination.stat = no_look
    explanation = world.explain()
    assert verdicts(explanation) == [("default", False, reason, detail)]
    assert explanation.mismatch is reason
    assert (explanation.found, explanation.prospects, explanation.unread) == (None, (), ())


@pytest.mark.parametrize(
    ("wanted", "reason", "detail"),
    [
        (Filter(min_size=10), Reason.FILTERED_BY_SIZE, "5 bytes, of at least 10"),
        (Filter(max_size=4), Reason.FILTERED_BY_SIZE, "5 bytes, of at most 4"),
        (Filter(tags={"b": "2", "a": "1", "c": "3"}), Reason.FILTERED_BY_TAGS, "it is not tagged a=1, b=2"),
    ],
)
def test_a_rule_that_is_not_for_the_object_says_why(wanted, reason, detail):
    world = World(rule(filter=wanted))
    world.source.put(KEY, b"hello", tags={"c": "3", "a": "other"})
    explanation = world.explain()
    assert verdicts(explanation) == [("default", False, reason, detail)]
    [prospect] = explanation.prospects
    assert prospect.filtered
    assert prospect.reason is reason


def test_rules_are_in_the_order_of_precedence_and_the_first_one_of_a_name_has_it():
    world = World(
        rule("low"), rule("high", priority=2), rule("elsewhere", "archive", priority=1), rule("off", enabled=False)
    )
    world.source.put(KEY, b"hello")
    explanation = world.explain()
    assert verdicts(explanation) == [
        ("high", True, None, ""),
        ("elsewhere", True, None, ""),
        ("low", False, Reason.RULE_SUPERSEDED, "'high' comes first"),
        ("off", False, Reason.RULE_DISABLED, "it is disabled"),
    ]
    assert [found.destination for found in explanation.prospects] == [REPLICA, DestinationName("archive", KEY.key)]


def test_a_rule_whose_filter_the_object_does_not_pass_leaves_the_name_to_the_next_one():
    world = World(rule("large", filter=Filter(min_size=10), priority=1), rule("rest"))
    world.source.put(KEY, b"hello")
    assert [found[:3] for found in verdicts(world.explain())] == [
        ("large", False, Reason.FILTERED_BY_SIZE),
        ("rest", True, None),
    ]


def test_what_depends_on_an_object_that_cannot_be_read_stays_open():
    world = World(rule("large", filter=Filter(min_size=10), priority=2), rule("rest", priority=1), rule("last"))
    error = Permanent(Reason.SOURCE_ACCESS_DENIED, "status 403")
    explanation = explain(KEY, error, {REPLICA: None}, world.rules)
    assert [found[:3] for found in verdicts(explanation)] == [
        ("large", None, None),
        ("rest", None, None),
        ("last", False, Reason.RULE_SUPERSEDED),
    ]


FILTERS = [Filter(), Filter(min_size=5), Filter(max_size=4), Filter(tags={"a": "1"}), Filter(prefix="x")]


@given(
    st.lists(st.tuples(st.sampled_from(FILTERS), st.integers(0, 2), st.booleans()), min_size=1, max_size=4),
    st.sampled_from([None, b"four", b"hello"]),
    st.booleans(),
)
def test_the_verdicts_agree_with_what_the_protocol_does(choices, data, tagged):
    world = World(*(rule(f"r{n}", filter=f, priority=p, enabled=e) for n, (f, p, e) in enumerate(choices)))
    if data is not None:
        world.source.put(KEY, data, tags={"a": "1"} if tagged else {})
    applying = [found.rule.id for found in world.explain().verdicts if found.applies]
    done = [
        result.rule
        for result in world.engine.replicate(KEY, world.engine.new_deadline())
        if result.result is not Result.IGNORED
    ]
    assert applying == done


# --- Prospects --------------------------------------------------------------------------------------------------------


def prospect_of(world, key: SourceKey = KEY):
    [found] = world.explain(key).prospects
    return found


def test_an_object_in_sync_shows_its_receipt():
    world = World(rule())
    state = world.source.put(KEY, b"hello")
    world.copy()
    explanation = world.explain()
    [found] = explanation.prospects
    assert explanation.found == state
    assert found.in_sync
    assert found.found.receipt.etag == state.etag
    assert found.foreseen == Outcome(
        Result.UNCHANGED, Reason.IN_SYNC, KEY, REPLICA, "default", found.found.generation, dry_run=True
    )


def test_a_replica_that_is_gone_stale_would_be_updated():
    world = World(rule())
    world.source.put(KEY, b"hello")
    world.copy()
    world.source.put(KEY, b"other")
    found = prospect_of(world)
    assert (found.foreseen.result, found.reason, found.in_sync) == (Result.UPDATED, Reason.SOURCE_CHANGED, False)


def test_an_absent_source_is_said_to_be_absent():
    explanation = World(rule()).explain()
    assert (explanation.found, explanation.mismatch) == (None, None)
    assert explanation.prospects[0].reason is Reason.SOURCE_NOT_FOUND


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"archived": True, "storage_class": "GLACIER"}, Reason.SOURCE_ARCHIVED),
        ({"size": MAX_OBJECT_SIZE + 1}, Reason.SOURCE_TOO_LARGE),
    ],
)
def test_what_would_be_refused_says_why_and_is_no_gap_in_the_explanation(properties, reason):
    world = World(rule())
    world.source.put(KEY, b"hello", **properties)
    explanation = world.explain()
    [failure] = explanation.failures
    assert failure.error.reason is reason
    assert explanation.unread == ()


def test_a_name_that_cloud_storage_cannot_hold_is_not_asked_for():
    world = World(rule())
    world.destination.stat = no_look
    key = SourceKey("source", ".replicator/x")
    world.source.put(key, b"hello")
    explanation = world.explain(key)
    assert explanation.prospects[0].reason is Reason.DESTINATION_NAME_INVALID
    assert explanation.unread == ()


@pytest.mark.parametrize(("foreign", "result"), [(Foreign.KEEP, Result.KEPT), (Foreign.OVERWRITE, Result.UPDATED)])
def test_a_foreign_object_has_no_receipt_and_the_rule_decides(foreign, result):
    world = World(rule(foreign=foreign))
    world.source.put(KEY, b"hello")
    world.destination.put_foreign(REPLICA, b"somebody's")
    found = prospect_of(world)
    assert (found.found.receipt, found.foreseen.result) == (None, result)


def test_the_replica_of_another_source_is_a_conflict():
    other = Rule("other", frozenset({"second"}), "replica")
    world = World(rule(), other)
    world.source.buckets.add("second")
    world.source.put(SourceKey("second", KEY.key), b"theirs")
    world.copy(SourceKey("second", KEY.key))
    world.source.put(KEY, b"ours")
    found = prospect_of(world)
    assert isinstance(found.foreseen, Failure)
    assert found.foreseen.error.detail == "it is the replica of s3://second/logs/day.csv"


# --- What cannot be read ----------------------------------------------------------------------------------------------


def test_an_explanation_without_the_source_has_the_destinations():
    world = World(rule())
    world.source.put(KEY, b"hello")
    world.copy()
    world.source.buckets.clear()
    explanation = world.explain()
    assert explanation.found.reason is Reason.SOURCE_BUCKET_NOT_FOUND
    assert explanation.prospects[0].found.receipt
    assert explanation.prospects[0].reason is Reason.SOURCE_BUCKET_NOT_FOUND
    assert [error.reason for error in explanation.unread] == [Reason.SOURCE_BUCKET_NOT_FOUND]


def test_an_explanation_without_one_destination_has_the_other_one():
    world = World(rule("one"), rule("two", "archive"))
    state = world.source.put(KEY, b"hello")
    stat = world.destination.stat

    def denied_in_archive(name):
        if name.bucket == "archive":
            raise Transient(Reason.DESTINATION_UNAVAILABLE)
        return stat(name)

    world.destination.stat = denied_in_archive
    explanation = world.explain()
    assert explanation.found == state
    assert [found.reason for found in explanation.prospects] == [
        Reason.DESTINATION_ABSENT,
        Reason.DESTINATION_UNAVAILABLE,
    ]
    assert len(explanation.unread) == 1


def test_explaining_writes_nothing():
    world = World(rule())
    for here, there in product((None, b"hello"), (None, b"foreign")):
        if here:
            world.source.put(KEY, here)
        if there:
            world.destination.put_foreign(REPLICA, there)
        before = list(world.destination.writes)
        world.explain()
        assert world.destination.writes == before


def test_the_destinations_are_seen_before_the_source():
    world = World(rule())
    state = world.source.put(KEY, b"hello")
    seen = []
    stat = world.source.stat
    world.source.stat = lambda key: (seen.append("source"), stat(key))[1]
    world.destination.stat = lambda name: seen.append("destination")
    assert world.explain().found == replace(state)
    assert seen == ["destination", "source"]
