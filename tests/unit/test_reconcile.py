"""The protocol against in-memory sides: whatever happens between two of its calls, destination = source in the end."""

from dataclasses import replace
from itertools import product

import pytest

from replicator.deadline import Deadline
from replicator.errors import Permanent, Transient, Unfinished
from replicator.model import Checksum, ContentHeaders, DestinationName, Placement, Result, SourceKey
from replicator.reasons import Reason
from replicator.receipt import holds, receipt_of
from replicator.reconcile import MAX_ROUNDS, SHORTCUT_MAX_SIZE, Reconciler, Trail
from replicator.rules import Deletes, Filter, Foreign, Rule, RuleSet
from replicator.transfer import Sizes, Transfer
from tests.fakes import InMemoryDestination, InMemorySource, OneByOne

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
KEEP_REPLICAS = Rule("keep", frozenset({"source"}), "replica")
LOOKED_AT = b"x" * (SHORTCUT_MAX_SIZE + 1)
"""Bytes of an object that is never copied without a look at its destination."""

SIZES = Sizes(whole_max=256 * 1024, parts_min=400_000, part=200_000)
"""The paths `stream` and `parts` are part of what is explored; a few 100 kB show as much as many MB."""

PROPAGATE = Rule("propagate", frozenset({"source"}), "replica", Deletes.PROPAGATE)


def reconcile(source, destination, rule: Rule, key: SourceKey, deadline: Deadline):
    rules = RuleSet((rule,))
    [assignment] = rules.assignments(key)
    transfer = Transfer(source, destination, 64 * 1024, sizes=SIZES, workers=OneByOne())
    reconciler = Reconciler(source, destination, transfer, rules)
    return reconciler.reconcile(key, assignment, deadline, Trail())


class World:
    """Both sides and a worker. Before the n-th call to either side, `interrupt` runs `event`, once."""

    def __init__(self, rule: Rule = PROPAGATE) -> None:
        self.rule = rule
        self.source = InMemorySource("source")
        self.destination = InMemoryDestination({"replica"})
        self.calls = 0
        self._interruptions = {}

    def interrupt(self, call: int, event) -> None:
        self._interruptions[call] = event

    def work(self, key: SourceKey = KEY):
        source, destination = _Watched(self, self.source), _Watched(self, self.destination)
        return reconcile(source, destination, self.rule, key, Deadline.after(60))

    def step(self) -> None:
        event = self._interruptions.pop(self.calls, None)
        self.calls += 1
        if event:
            event(self)

    def check_converged(self) -> None:
        source = self.source.stat(KEY)
        replica = self.destination.stat(NAME)
        assert not [name for name in self.destination.objects if name != NAME], "temporary objects are left over"
        if source is None:
            assert replica is None or self.rule.deletes is Deletes.IGNORE
            return
        assert self.destination.data(NAME) == self.source.objects[KEY][1]
        assert holds(replica.receipt, source)


class _Watched:
    """A side whose every call can be interrupted."""

    def __init__(self, world: World, side) -> None:
        self._world, self._side = world, side

    def __getattr__(self, name):
        method = getattr(self._side, name)

        def call(*args, **kwargs):
            self._world.step()
            result = method(*args, **kwargs)
            return _Watched(self._world, result) if name == "begin" else result

        return call


@pytest.fixture
def world():
    return World()


def test_a_new_object_is_created_with_a_receipt_that_names_it(world):
    state = world.source.put(KEY, b"hello")
    outcome = world.work()
    assert (outcome.result, outcome.reason) == (Result.CREATED, Reason.DESTINATION_ABSENT)
    assert (outcome.source, outcome.destination, outcome.rule) == (KEY, NAME, "propagate")
    assert (outcome.copied_bytes, outcome.path, outcome.checked) == (5, "whole", "MD5")
    assert outcome.generation == world.destination.stat(NAME).generation
    assert world.destination.stat(NAME).receipt == receipt_of(state)
    world.check_converged()


def test_an_overwritten_object_is_updated(world):
    world.source.put(KEY, b"one")
    world.work()
    world.source.put(KEY, b"two")
    assert (world.work().result, world.destination.data(NAME)) == (Result.UPDATED, b"two")


def test_ten_looks_at_the_same_object_cause_one_write(world):
    world.source.put(KEY, b"hello")
    results = [world.work().result for _ in range(10)]
    assert results == [Result.CREATED] + [Result.UNCHANGED] * 9
    assert world.destination.writes == ["write"]


def test_a_metadata_change_moves_no_bytes(world):
    state = world.source.put(KEY, LOOKED_AT, metadata={"old": "1", "both": "2"})
    world.work()
    read_before = world.source.read_bytes
    changed = replace(state, headers=ContentHeaders(content_type="text/html"), metadata={"both": "3"})
    world.source.objects[KEY] = changed, LOOKED_AT
    outcome = world.work()
    assert (outcome.result, outcome.reason, outcome.copied_bytes) == (
        Result.METADATA_UPDATED,
        Reason.METADATA_CHANGED,
        0,
    )
    assert world.source.read_bytes == read_before
    assert world.destination.objects[NAME].attributes.metadata == {"both": "3"}
    world.check_converged()


def test_a_metadata_change_back_to_an_earlier_time_is_copied_since_custom_time_cannot_go_back(world):
    state = world.source.put(KEY, b"hello")
    world.source.put(KEY, b"hello")
    world.work()
    world.source.objects[KEY] = state, b"hello"
    assert (world.work().result, world.destination.writes) == (Result.UPDATED, ["write", "write"])
    world.check_converged()


def test_a_deleted_object_is_deleted_where_the_rule_propagates(world):
    world.source.put(KEY, b"hello")
    world.work()
    world.source.delete(KEY)
    outcome = world.work()
    assert (outcome.result, outcome.reason) == (Result.DELETED, Reason.SOURCE_DELETED)
    assert world.destination.stat(NAME) is None


def test_a_deleted_object_is_kept_where_the_rule_ignores_deletes():
    world = World(KEEP_REPLICAS)
    world.source.put(KEY, b"hello")
    world.work()
    world.source.delete(KEY)
    outcome = world.work()
    assert (outcome.result, outcome.reason) == (Result.KEPT, Reason.DELETES_IGNORED)
    assert world.destination.data(NAME) == b"hello"


def test_a_recreated_object_comes_back(world):
    for data in (b"one", None, b"two"):
        world.source.put(KEY, data) if data else world.source.delete(KEY)
        world.work()
        world.check_converged()
    assert world.destination.data(NAME) == b"two"


def test_a_foreign_object_is_never_deleted(world):
    world.destination.put_foreign(NAME, b"theirs")
    outcome = world.work()
    assert (outcome.result, outcome.reason) == (Result.KEPT, Reason.SOURCE_NOT_FOUND)
    assert world.destination.data(NAME) == b"theirs"


def test_a_foreign_object_with_the_same_bytes_is_adopted_without_moving_them():
    world = World(replace(PROPAGATE, foreign=Foreign.KEEP))
    world.source.put(KEY, LOOKED_AT)
    world.destination.put_foreign(NAME, LOOKED_AT)
    outcome = world.work()
    assert (outcome.result, outcome.reason) == (Result.METADATA_UPDATED, Reason.ADOPTED)
    assert world.source.read_bytes == 0
    world.check_converged()


def test_the_replica_of_another_source_is_not_overwritten():
    world = World(Rule("two", frozenset({"source", "source-2"}), "replica"))
    world.source.buckets.add("source-2")
    world.source.put(SourceKey("source-2", "k"), b"first")
    world.work(SourceKey("source-2", "k"))
    world.source.put(KEY, b"second")
    with pytest.raises(Permanent) as refused:
        world.work()
    assert refused.value.reason is Reason.DESTINATION_CONFLICT
    assert world.destination.data(NAME) == b"first"


def test_nothing_is_read_or_written_for_a_name_that_cloud_storage_cannot_hold(world):
    for key in (".", "..", "a\nb", "é" * 513, ".well-known/acme-challenge/x", ".replicator/x"):
        with pytest.raises(Permanent) as refused:
            world.work(SourceKey("source", key))
        assert refused.value.reason is Reason.DESTINATION_NAME_INVALID
    assert world.calls == 0


def test_a_side_that_keeps_moving_makes_the_attempt_give_way(world):
    world.source.put(KEY, b"0")
    original = world.destination.insert

    def insert_after_somebody_else(*args):
        world.destination.put_foreign(NAME, b"theirs")
        return original(*args)

    world.destination.insert = insert_after_somebody_else
    with pytest.raises(Transient) as gave_way:
        world.work()
    assert gave_way.value.reason is Reason.CONTENTION
    assert world.destination.writes == ["foreign"] * MAX_ROUNDS


def test_an_attempt_past_its_deadline_touches_nothing(world):
    world.source.put(KEY, b"hello")
    with pytest.raises(Transient) as late:
        reconcile(world.source, world.destination, PROPAGATE, KEY, Deadline.after(0))
    assert late.value.reason is Reason.OUT_OF_TIME
    assert world.destination.writes == []


# Everything that can happen to the source between two calls of a worker, each followed, or not yet followed, by a
# worker of its own.


def overwrite(world):
    world.source.put(KEY, b"newer")


def overwrite_with_a_large_object(world):
    world.source.put(KEY, b"n" * 300_000)


def overwrite_in_parts(world):
    world.source.put(KEY, b"q" * 500_000, checksum=None)


def change_metadata(world):
    found = world.source.objects.get(KEY)
    if found:
        world.source.put(KEY, found[1], headers=ContentHeaders(content_type="text/html"))


def delete(world):
    world.source.delete(KEY)


def delete_and_recreate(world):
    world.source.delete(KEY)
    world.work()
    world.source.put(KEY, b"again")


def foreign_write(world):
    world.destination.put_foreign(NAME, b"theirs")


CHANGES = [overwrite, change_metadata, delete, delete_and_recreate]

BEFORE = {
    "nothing there": lambda world: None,
    "source only": lambda world: world.source.put(KEY, b"older"),
    "large source only": lambda world: world.source.put(KEY, b"o" * 300_000),
    "source in parts only": lambda world: world.source.put(KEY, b"p" * 500_000, checksum=None),
    "in sync": lambda world: (world.source.put(KEY, b"older"), world.work()),
    "source changed": lambda world: (world.source.put(KEY, b"oldest"), world.work(), overwrite(world)),
    "source deleted": lambda world: (world.source.put(KEY, b"oldest"), world.work(), delete(world)),
}
MAX_CALLS = 24


@pytest.mark.parametrize("rule", [PROPAGATE, KEEP_REPLICAS], ids=lambda rule: rule.id)
@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    "change", [*CHANGES, overwrite_with_a_large_object, overwrite_in_parts], ids=lambda change: change.__name__
)
def test_a_change_at_any_point_whose_own_worker_ran_at_once_is_not_lost(rule, before, change):
    """The other worker runs from end to end between two calls of ours: so our last write may undo its work."""
    for call in range(MAX_CALLS):
        world = World(rule)
        BEFORE[before](world)
        world.calls = 0
        world.interrupt(call, lambda world: (change(world), world.work()))
        world.work()
        world.check_converged()


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize(
    "changes", list(product(CHANGES, CHANGES)), ids=lambda pair: "-".join(c.__name__ for c in pair)
)
def test_two_changes_at_any_two_points_are_not_lost(before, changes):
    for first in range(14):
        for second in range(first + 1, 24):
            world = World()
            BEFORE[before](world)
            world.calls = 0
            world.interrupt(first, lambda world: (changes[0](world), world.work()))
            world.interrupt(second, lambda world: (changes[1](world), world.work()))
            world.work()
            world.check_converged()


@pytest.mark.parametrize("before", BEFORE)
def test_a_foreign_write_at_any_point_is_overwritten_only_knowingly(before):
    """What we overwrite, we have seen: no write of ours may land on a generation nobody looked at."""
    for call in range(MAX_CALLS):
        world = World()
        BEFORE[before](world)
        world.calls = 0
        world.interrupt(call, foreign_write)
        world.work()
        if world.destination.data(NAME) != b"theirs":
            world.check_converged()


@pytest.mark.parametrize("call", range(MAX_CALLS))
def test_a_good_replica_is_never_deleted_even_for_a_moment(world, call):
    """Delete and re-create while a worker judges: it may delete only what it saw before it looked at the source."""
    world.source.put(KEY, b"older")
    world.work()
    world.source.delete(KEY)
    world.calls = 0
    world.interrupt(call, lambda world: (world.source.put(KEY, b"recreated"), world.work()))
    delete_at_the_destination = world.destination.delete

    def delete_watched(current):
        replica, source = world.destination.stat(NAME), world.source.stat(KEY)
        delete_at_the_destination(current)
        assert source is None or not holds(replica.receipt, source), "a good replica was deleted"

    world.destination.delete = delete_watched
    world.work()
    world.check_converged()


# --- Filters that look at the object ----------------------------------------------------------------------------------

LARGE_ONLY = replace(PROPAGATE, id="large", priority=1, filter=Filter(min_size=100), placement=Placement("NEARLINE"))


def both(world: World):
    rules = RuleSet((PROPAGATE, LARGE_ONLY))
    [assignment] = rules.assignments(KEY)
    transfer = Transfer(world.source, world.destination, 64 * 1024)
    reconciler = Reconciler(world.source, world.destination, transfer, rules)
    return reconciler.reconcile(KEY, assignment, Deadline.after(60), Trail())


def test_an_object_that_a_filter_keeps_out_is_ignored_and_neither_side_is_touched():
    world = World(LARGE_ONLY)
    world.source.put(KEY, b"small")
    outcome = world.work()
    assert (outcome.result, outcome.reason, outcome.rule) == (Result.IGNORED, Reason.FILTERED_BY_SIZE, "large")
    assert world.destination.writes == []


def test_a_replica_stays_when_its_source_no_longer_passes_the_filter():
    world = World(LARGE_ONLY)
    world.source.put(KEY, b"x" * 100)
    world.work()
    world.source.put(KEY, b"small")
    assert world.work().result is Result.IGNORED
    assert world.destination.data(NAME) == b"x" * 100


@pytest.mark.parametrize(("size", "rule", "storage_class"), [(5, "propagate", None), (100, "large", "NEARLINE")])
def test_of_two_rules_for_one_name_the_first_by_priority_whose_filter_passes_applies(world, size, rule, storage_class):
    world.source.put(KEY, b"x" * size)
    assert both(world).rule == rule
    assert world.destination.objects[NAME].attributes.placement.storage_class == storage_class


def test_a_replica_is_deleted_where_all_rules_for_its_name_propagate_deletes(world):
    world.source.put(KEY, b"small")
    assert both(world).rule == "propagate"
    world.source.delete(KEY)
    assert (both(world).rule, world.destination.stat(NAME)) == ("large", None)


def test_what_a_replica_cannot_hold_is_part_of_the_outcome_also_when_there_is_nothing_to_do(world):
    world.source.put(KEY, b"hello", not_held=("object-lock",), version_id="v1")
    for result in (Result.CREATED, Result.UNCHANGED):
        outcome = world.work()
        assert (outcome.result, outcome.not_held, outcome.version_id) == (result, ("object-lock",), "v1")


def test_a_receipt_names_the_check_that_the_bytes_passed_and_no_other(world):
    """An object that is adopted was compared by its MD5; what other checksum S3 has was never computed."""
    world.destination.put_foreign(NAME, LOOKED_AT)
    world.source.put(KEY, LOOKED_AT, checksum=Checksum("CRC64NVME", b"12345678"))
    assert world.work().reason is Reason.ADOPTED
    assert world.destination.stat(NAME).receipt.checked == "MD5"
    world.source.put(KEY, LOOKED_AT, checksum=Checksum("SHA256", b"1" * 32), headers=ContentHeaders("text/html"))
    assert world.work().reason is Reason.METADATA_CHANGED
    assert world.destination.stat(NAME).receipt.checked == "MD5"


def test_a_key_whose_receipt_is_too_large_is_refused_before_a_byte_is_read():
    world = World()
    key = SourceKey("source", "\x01" * 1024)
    world.source.put(key, b"hello")
    world.source.open = lambda *_: pytest.fail("its bytes were read")
    with pytest.raises(Permanent) as refused:
        world.work(key)
    assert refused.value.reason is Reason.DESTINATION_NAME_INVALID
    assert world.destination.stat(DestinationName("replica", key.key)) is None


# --- The short first round --------------------------------------------------------------------------------------------


def calls_of(world: World) -> list[str]:
    """The requests to both sides that one attempt makes, by name."""
    made = []

    class Noted:
        def __init__(self, side, prefix):
            self._side, self._prefix = side, prefix

        def __getattr__(self, name):
            method = getattr(self._side, name)

            def call(*args, **kwargs):
                made.append(f"{self._prefix} {name}")
                return method(*args, **kwargs)

            return call

    reconcile(
        Noted(world.source, "source"), Noted(world.destination, "destination"), world.rule, KEY, Deadline.after(60)
    )
    return [call for call in made if call != "source checksum"]


SHORT_ROUND = ["source read", "destination insert"]
LOOKS = ["destination stat", "source stat"]


def test_a_small_new_object_takes_three_requests(world):
    world.source.put(KEY, b"x" * SHORTCUT_MAX_SIZE)
    assert calls_of(world) == [*SHORT_ROUND, "source stat"]
    world.check_converged()


def test_a_small_object_that_was_there_before_is_looked_at_after_all(world):
    world.source.put(KEY, b"hello")
    world.work()
    assert calls_of(world) == [*SHORT_ROUND, *LOOKS]
    world.source.put(KEY, b"changed")
    assert calls_of(world) == [*SHORT_ROUND, *LOOKS, "source open", "destination insert", "source stat"]
    world.check_converged()


def test_an_object_that_is_not_small_is_looked_at_first_and_its_bytes_are_not_read_twice(world):
    world.source.put(KEY, LOOKED_AT)
    assert calls_of(world) == ["source read", *LOOKS, "source open", "destination insert", "source stat"]
    assert world.source.read_bytes == len(LOOKED_AT)


def test_a_source_that_is_gone_takes_no_shortcut(world):
    world.source.put(KEY, b"hello")
    world.work()
    world.source.delete(KEY)
    assert calls_of(world) == ["source read", *LOOKS, "destination delete", "source stat"]
    assert world.destination.stat(NAME) is None


def test_an_archived_object_whose_replica_is_good_is_not_refused(world):
    state = world.source.put(KEY, b"hello")
    world.work()
    world.source.objects[KEY] = replace(state, archived=True, storage_class="GLACIER"), b"hello"
    assert world.work().result is Result.UNCHANGED


def test_a_second_attempt_looks_first(world):
    """What the first has written may be there."""
    world.source.put(KEY, b"hello")
    rules = RuleSet((world.rule,))
    [assignment] = rules.assignments(KEY)
    transfer, trail = Transfer(world.source, world.destination), Trail()
    reconciler = Reconciler(world.source, world.destination, transfer, rules)
    insert = world.destination.insert

    def insert_whose_answer_is_lost(*args):
        insert(*args)
        raise Transient(Reason.DESTINATION_UNAVAILABLE)

    world.destination.insert = insert_whose_answer_is_lost
    with pytest.raises(Transient):
        reconciler.reconcile(KEY, assignment, Deadline.after(60), trail)
    world.source.read = lambda key: pytest.fail("it took the shortcut again")
    assert reconciler.reconcile(KEY, assignment, Deadline.after(60), trail).result is Result.UNCHANGED
    assert world.destination.writes == ["write"]


def test_a_copy_that_began_again_after_a_mismatch_and_got_ahead_has_failed(world):
    """As unfinished it would be handed over, and copied for ever: the next message would count anew."""
    state = world.source.put(KEY, LOOKED_AT)
    errors = [Transient(Reason.CHECKSUM_MISMATCH), Unfinished(5, 10), Unfinished(5, 10)]
    rules, trail = RuleSet((world.rule,)), Trail()
    [assignment] = rules.assignments(KEY)

    class Scripted(Transfer):
        def copy(self, *_args, **_kwargs):
            raise errors.pop(0)

    reconciler = Reconciler(world.source, world.destination, Scripted(world.source, world.destination), rules)
    for _ in range(2):
        with pytest.raises(Transient) as failed:
            reconciler.reconcile(KEY, assignment, Deadline.after(60), trail)
        assert failed.value.reason is Reason.CHECKSUM_MISMATCH
    with pytest.raises(Unfinished):
        reconciler.reconcile(KEY, assignment, Deadline.after(60), Trail())
    assert (world.destination.stat(NAME), world.source.stat(KEY)) == (None, state)
