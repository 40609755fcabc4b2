"""A canary's whole life, on both sides in memory."""

from collections.abc import Container
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import Event

import pytest

from replicator.doctor import Check
from replicator.doctor.canary import MAX_BYTES, Flight, canary_of
from replicator.engine import Engine, RetryPolicy
from replicator.errors import Permanent, Transient
from replicator.model import Receipt, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Deletes, Filter, Rule, RuleSet
from replicator.transfer import Transfer
from tests.fakes import InMemoryDestination, InMemorySource

RULE = Rule("default", frozenset({"source"}), "replica")
PROPAGATES = replace(RULE, deletes=Deletes.PROPAGATE)


@dataclass
class World:
    """Both sides, and a service that acts whenever time passes, unless it is down."""

    rule: Rule = RULE
    down: bool = False
    deaf_to_deletes: bool = False
    refuses: Exception | None = None
    refuses_after_all: bool = False
    keeps: Container[str | None] = ()
    versions: bool = False
    now: float = 0.0
    ended: Event = field(default_factory=Event)
    source: InMemorySource = field(default_factory=lambda: InMemorySource("source"))
    destination: InMemoryDestination = field(default_factory=lambda: InMemoryDestination({"replica"}))
    deleted: list[str | None] = field(default_factory=list)
    order: list[str] = field(default_factory=list)

    def put(self, key, data, tags):
        if self.refuses and not self.refuses_after_all:
            raise self.refuses
        self.source.put(key, data, tags=dict(tags))
        if self.refuses:
            raise self.refuses
        return "v1" if self.versions else None

    def delete(self, key, version=None):
        if version in self.keeps:
            raise Permanent(Reason.SOURCE_ACCESS_DENIED)
        self.deleted.append(version)
        self.order.append("source")
        if version is None:
            self.source.delete(key)
        return "marker" if self.versions and version is None else None

    def sleep(self, seconds):
        self.now += seconds
        if self.down or (self.deaf_to_deletes and not self.source.objects):
            return
        rules = RuleSet((self.rule,))
        reconciler = Reconciler(
            self.source, self.destination, Transfer(self.source, self.destination, 64 * 1024), rules
        )
        retry = RetryPolicy(0, 0.0, 1.0, lambda seconds: None)
        engine = Engine(rules, reconciler, retry, 60)
        engine.replicate(self.canary.key, engine.new_deadline())

    def fly(self):
        self.canary = canary_of(self.rule, "source", RuleSet((self.rule,)))
        flight = Flight(self, self.destination, 10, self.ended, self.sleep, lambda: self.now)
        return {one.check: one for one in flight.fly(self.canary)}

    def is_clean(self):
        return not self.source.objects and self.destination.stat(self.canary.destination) is None


def statuses(found):
    return {check: str(finding.status) for check, finding in found.items()}


@pytest.mark.parametrize("versions", [False, True])
@pytest.mark.parametrize("rule", [RULE, PROPAGATES])
def test_a_canary_flies_through_and_leaves_nothing(rule, versions):
    world = World(rule, versions=versions)
    found = world.fly()
    assert set(found) == {check for check in Check if check.area == "canary"}
    assert {str(finding.status) for finding in found.values()} == {"ok"}
    assert "after 0.5 s" in found[Check.CANARY_REPLICATED].detail
    assert world.is_clean()
    assert world.deleted == ([None, "v1", "marker"] if versions else [None])


def test_a_canary_has_the_tags_that_its_rule_asks_for():
    world = World(replace(RULE, filter=Filter(tags={"colour": "red", "a": "b c"})))
    seen, sleep = [], world.sleep

    def look_and_sleep(seconds):
        seen.append(dict(world.source.stat(world.canary.key).tags))
        sleep(seconds)

    world.sleep = look_and_sleep
    assert statuses(world.fly())[Check.CANARY_REPLICATED] == "ok"
    assert seen == [{"colour": "red", "a": "b c"}]


def test_the_source_is_cleaned_before_the_replica_so_that_nothing_is_replicated_anew():
    world = World(versions=True)
    delete = world.destination.delete

    def delete_replica(found):
        world.order.append("replica")
        return delete(found)

    world.destination.delete = delete_replica
    world.fly()
    assert world.order == ["source", "source", "source", "replica"]


def test_a_path_that_is_down_is_told_in_time_and_the_canary_is_taken_away():
    world = World(down=True)
    found = world.fly()
    assert statuses(found) == {
        Check.CANARY_WRITTEN: "ok",
        Check.CANARY_REPLICATED: "failed",
        Check.CANARY_REMOVED: "ok",
    }
    assert found[Check.CANARY_REPLICATED].mend == f"python -m replicator explain {world.canary.key}"
    assert world.now == pytest.approx(10)
    assert world.is_clean()


def test_a_flight_that_is_ended_lands_at_once_and_is_taken_away():
    world = World(down=True)
    world.ended.set()
    assert statuses(world.fly())[Check.CANARY_REPLICATED] == "failed"
    assert world.now == 0
    assert world.is_clean()


def test_a_deletion_that_does_not_follow_is_told_and_cleaned_up():
    world = World(PROPAGATES, deaf_to_deletes=True)
    assert statuses(world.fly())[Check.CANARY_DELETED] == "failed"
    assert world.is_clean()


def test_an_object_without_a_receipt_is_no_replica_and_is_left_alone():
    world = World(down=True)
    world.canary = canary = canary_of(RULE, "source", RuleSet((RULE,)))
    world.destination.put_foreign(canary.destination, b"of somebody else")
    found = {
        one.check: one
        for one in Flight(world, world.destination, 10, world.ended, world.sleep, lambda: 0.0).fly(canary)
    }
    assert statuses(found)[Check.CANARY_REPLICATED] == "failed"
    assert world.destination.stat(canary.destination) is not None
    assert not world.source.objects


@pytest.mark.parametrize(
    ("error", "status"),
    [(Permanent(Reason.SOURCE_ACCESS_DENIED), "failed"), (Transient(Reason.SOURCE_UNAVAILABLE), "warning")],
)
def test_who_may_not_write_is_shown_how_somebody_else_does_it(error, status):
    world = World(refuses=error)
    found = world.fly()
    assert statuses(found)[Check.CANARY_WRITTEN] == status
    assert f"aws s3 cp - {world.canary.key} " in found[Check.CANARY_WRITTEN].mend
    assert (world.deleted == []) == isinstance(error, Permanent)


@pytest.mark.parametrize("reason", [Reason.CREDENTIALS_UNAVAILABLE, Reason.SOURCE_CREDENTIALS_REJECTED])
def test_without_keys_nothing_was_put_and_nothing_is_deleted(reason):
    world = World(refuses=Transient(reason), keeps=(None,))
    assert statuses(world.fly()) == {Check.CANARY_WRITTEN: "failed"}


def test_a_canary_that_was_put_without_an_answer_is_taken_away():
    world = World(refuses=Transient(Reason.SOURCE_UNAVAILABLE), refuses_after_all=True)
    assert statuses(world.fly()) == {Check.CANARY_WRITTEN: "warning", Check.CANARY_REMOVED: "ok"}
    assert world.is_clean()


def test_of_a_canary_whose_version_nobody_knows_the_delete_marker_stays_and_that_is_said():
    world = World(refuses=Transient(Reason.SOURCE_UNAVAILABLE), refuses_after_all=True, versions=True)
    found = world.fly()
    assert statuses(found) == {Check.CANARY_WRITTEN: "warning", Check.CANARY_REMOVED: "warning"}
    key = world.canary.key.key
    assert found[Check.CANARY_REMOVED].mend == f"aws s3api list-object-versions --bucket source --prefix {key}"
    assert world.deleted == [None]


@pytest.mark.parametrize(
    ("keeps", "versions", "commands"),
    [
        ((None,), False, [""]),
        (("v1", "marker"), True, [" --version-id v1", " --version-id marker"]),
        (("v1",), True, [" --version-id v1"]),
    ],
)
def test_what_may_not_be_deleted_is_a_warning_with_the_commands(keeps, versions, commands):
    world = World(keeps=keeps, versions=versions)
    found = world.fly()
    key = world.canary.key.key
    assert found[Check.CANARY_REMOVED].status == "warning"
    wanted = [f"aws s3api delete-object --bucket source --key {key}{which}" for which in commands]
    assert found[Check.CANARY_REMOVED].mend == "; ".join(wanted)


def test_a_replica_that_may_not_be_deleted_is_a_warning_with_the_command():
    world = World()

    def delete(found):
        raise Permanent(Reason.DESTINATION_ACCESS_DENIED)

    world.destination.delete = delete
    removed = world.fly()[Check.CANARY_REMOVED]
    assert (removed.status, removed.mend) == ("warning", f"gcloud storage rm gs://replica/{world.canary.key.key}")


def test_the_canary_is_taken_away_also_when_looking_for_it_fails():
    world = World()

    def stat(name):
        raise Transient(Reason.DESTINATION_UNAVAILABLE)

    world.destination.stat = stat
    assert statuses(world.fly())[Check.CANARY_REPLICATED] == "warning"
    assert not world.source.objects


def test_what_nobody_foresaw_leaves_the_source_empty():
    world = World()

    def stat(name):
        raise KeyError

    world.destination.stat = stat
    with pytest.raises(KeyError):
        world.fly()
    assert not world.source.objects


def test_an_object_with_a_receipt_for_another_key_is_no_replica_and_is_left_alone():
    world = World(down=True)
    world.canary = canary = canary_of(RULE, "source", RuleSet((RULE,)))
    world.destination.put_foreign(canary.destination, b"of another")
    receipt = Receipt(SourceKey("source", "another"), "e", None, datetime(2026, 1, 1, tzinfo=UTC), 10, "", "md5")
    stored = world.destination.objects[canary.destination]
    world.destination.objects[canary.destination] = replace(stored, state=replace(stored.state, receipt=receipt))
    flight = Flight(world, world.destination, 10, world.ended, world.sleep, lambda: 0.0)
    assert statuses({one.check: one for one in flight.fly(canary)}) == {
        Check.CANARY_WRITTEN: "ok",
        Check.CANARY_REPLICATED: "failed",
        Check.CANARY_REMOVED: "ok",
    }
    assert world.destination.stat(canary.destination) is not None
    assert not world.source.objects


# --- Which object a rule takes ----------------------------------------------------------------------------------------


def canary(**rule):
    made = replace(RULE, **rule)
    return canary_of(made, "source", RuleSet((made,)))


def test_a_canary_is_what_its_rule_asks_for():
    made = canary(
        source_prefix="live/",
        destination_prefix="copy/",
        filter=Filter("live/in/", ".csv", "live/**", min_size=1000, tags={"colour": "red"}),
    )
    assert made.key.key.startswith("live/in/replicator-canary-")
    assert made.key.key.endswith(".csv")
    assert made.destination.name == f"copy/in/{made.key.key.removeprefix('live/in/')}"
    assert len(made.data) == 1000


@pytest.mark.parametrize(
    "rule",
    [
        {"filter": Filter(glob="exactly-this")},
        {"filter": Filter(min_size=MAX_BYTES + 1)},
        {"filter": Filter(max_size=1)},
    ],
)
def test_a_rule_that_no_small_object_passes_has_no_canary(rule):
    assert canary(**rule) is None


def test_a_rule_that_another_comes_before_has_no_canary():
    first = replace(RULE, id="first", priority=1)
    assert canary_of(RULE, "source", RuleSet((RULE, first))) is None
    assert canary_of(first, "source", RuleSet((RULE, first))) is not None


def test_no_two_canaries_meet():
    assert canary().key != canary().key
    assert isinstance(canary().key, SourceKey)
