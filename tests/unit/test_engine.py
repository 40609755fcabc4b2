"""The engine: what no rule names is not touched, what is transient is tried again, and all of it ends in time."""

from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from threading import Event

import pytest

from replicator.deadline import Deadline
from replicator.engine import Engine, RetryPolicy
from replicator.errors import DestinationMoved, Permanent, Transient, Unfinished
from replicator.model import DestinationName, Failure, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Deletes, Rule, RuleSet
from replicator.transfer import Transfer
from replicator.transfer.reading import MAX_FRUITLESS_READS
from tests.fakes import InMemoryDestination, InMemorySource

KEY = SourceKey("source", "k")
DONE = Outcome(Result.CREATED, Reason.DESTINATION_ABSENT, KEY)


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class Attempts:
    """Raises the errors given, one for each attempt, and succeeds after them."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made = 0

    def __call__(self) -> Outcome:
        self.made += 1
        if self.errors:
            raise self.errors.pop(0)
        return DONE


def transient(detail: str = "") -> Transient:
    return Transient(Reason.SOURCE_UNAVAILABLE, detail)


@pytest.fixture
def clock():
    return Clock()


def run(clock, attempts, max_retries=3, delay=1.0, backoff=2.0, seconds=1000.0):
    policy = RetryPolicy(max_retries, delay, backoff, clock.sleep)
    return policy.retrying(Deadline.after(seconds, clock))(attempts)


# --- Retrying ---------------------------------------------------------------------------------------------------------


def test_a_success_is_not_repeated(clock):
    attempts = Attempts()
    assert run(clock, attempts) == DONE
    assert (attempts.made, clock.slept) == (1, [])


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_transient_failure_is_repeated(clock, failures):
    attempts = Attempts(*[transient()] * failures)
    assert run(clock, attempts) == DONE
    assert attempts.made == failures + 1


@pytest.mark.parametrize("max_retries", [0, 1, 5])
def test_there_is_one_attempt_more_than_there_are_retries_and_the_last_error_counts(clock, max_retries):
    attempts = Attempts(*[transient(str(number)) for number in range(10)])
    with pytest.raises(Transient) as last:
        run(clock, attempts, max_retries)
    assert attempts.made == max_retries + 1
    assert last.value.detail == str(max_retries)


@pytest.mark.parametrize(
    "error",
    [
        Permanent(Reason.SOURCE_REFUSED),
        Unfinished(5, 10),
        DestinationMoved(),
        ValueError("unexpected"),
        KeyboardInterrupt(),
    ],
)
def test_nothing_else_is_repeated(clock, error):
    attempts = Attempts(error)
    with pytest.raises(type(error)) as raised:
        run(clock, attempts)
    assert raised.value is error
    assert (attempts.made, clock.slept) == (1, [])


def test_a_permanent_error_after_a_transient_one_ends_it(clock):
    attempts = Attempts(transient(), Permanent(Reason.SOURCE_ARCHIVED))
    with pytest.raises(Permanent):
        run(clock, attempts)
    assert attempts.made == 2


@pytest.mark.parametrize(("delay", "backoff"), [(1, 2), (0.5, 3), (2, 1), (0, 2)])
def test_delays_grow_by_the_backoff_and_half_a_first_delay_of_jitter(clock, delay, backoff):
    with pytest.raises(Transient):
        run(clock, Attempts(*[transient()] * 6), max_retries=5, delay=delay, backoff=backoff)
    assert len(clock.slept) == 5
    for number, slept in enumerate(clock.slept):
        least = delay * backoff**number
        assert least <= slept <= least + delay / 2


def test_delays_are_jittered(clock):
    with pytest.raises(Transient):
        run(clock, Attempts(*[transient()] * 20), max_retries=19, backoff=1)
    assert len(set(clock.slept)) > 1


def test_two_attempts_are_never_closer_than_the_delay(clock):
    started = []

    def attempt():
        started.append(clock.now)
        raise transient()

    with pytest.raises(Transient):
        run(clock, attempt)
    assert all(later - earlier >= 1 for earlier, later in pairwise(started))


def test_no_attempt_begins_after_the_deadline_nor_is_one_waited_for(clock):
    attempts = Attempts(*[transient()] * 100)
    with pytest.raises(Transient):
        run(clock, attempts, max_retries=100, delay=10, backoff=1, seconds=35)
    assert 2 <= attempts.made <= 4
    assert clock.now < 35


def test_an_attempt_that_used_up_the_time_is_the_last(clock):
    def attempt():
        clock.now += 100
        raise transient()

    with pytest.raises(Transient) as out_of_time:
        run(clock, attempt, seconds=50)
    assert out_of_time.value.reason is Reason.SOURCE_UNAVAILABLE
    assert clock.slept == []


# --- The engine -------------------------------------------------------------------------------------------------------


class Untouchable:
    """A side that nobody may call."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was asked for")


class Sides:
    def __init__(self) -> None:
        self.source = InMemorySource("source", "second")
        self.destination = InMemoryDestination({"replica"})
        self.rules = RuleSet(
            (Rule("one", frozenset({"source"}), "replica"), Rule("two", frozenset({"second"}), "replica"))
        )

    def engine(self, clock, source=None, destination=None, **policy) -> Engine:
        source, destination = source or self.source, destination or self.destination
        return Engine(
            self.rules,
            Reconciler(source, destination, Transfer(source, destination, 64 * 1024), self.rules),
            RetryPolicy(policy.get("max_retries", 3), 1, 2, clock.sleep),
            policy.get("deadline_seconds", 60),
        )


@pytest.fixture
def sides():
    return Sides()


def replicate(engine, key, to=None, **options) -> Outcome:
    """The outcome of a key with one destination; raises what failed."""
    [result] = engine.replicate(key, engine.new_deadline(), to, **options)
    if isinstance(result, Failure):
        raise result.error
    return result


def test_an_object_of_the_rules_is_replicated(sides, clock):
    sides.source.put(KEY, b"hello")
    outcome = replicate(sides.engine(clock), KEY)
    assert (outcome.result, outcome.rule, outcome.attempts) == (Result.CREATED, "one", 1)
    assert sides.destination.data(DestinationName("replica", "k")) == b"hello"


def test_a_bucket_that_no_rule_names_touches_neither_side(sides, clock):
    engine = sides.engine(clock, Untouchable(), Untouchable())
    key = SourceKey("somebody-elses", "k")
    assert replicate(engine, key) == Outcome(Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, key)


def test_a_name_that_cannot_be_touches_neither_side(sides, clock):
    with pytest.raises(Permanent) as refused:
        replicate(sides.engine(clock, Untouchable(), Untouchable()), SourceKey("source", ".."))
    assert refused.value.reason is Reason.DESTINATION_NAME_INVALID


def test_a_whole_attempt_is_repeated(sides, clock):
    sides.source.put(KEY, b"hello")
    failures = [transient() for _ in range(2 * MAX_FRUITLESS_READS)]

    def fail(offset):
        if failures:
            raise failures.pop()

    sides.source.on_read = fail
    outcome = replicate(sides.engine(clock), KEY)
    assert (outcome.result, outcome.attempts) == (Result.CREATED, 3)
    assert len(clock.slept) == 2


def test_finding_nothing_after_a_failed_attempt_is_not_the_end(sides, clock):
    """The failed attempt's insert, whose answer was lost, may land after our look. The next delivery looks again."""
    sides.source.put(KEY, b"hello")
    insert = sides.destination.insert

    def answer_lost(*args):
        sides.source.delete(KEY)
        sides.destination.insert = insert
        raise transient()

    sides.destination.insert = answer_lost
    with pytest.raises(Transient) as again:
        replicate(sides.engine(clock), KEY)
    assert again.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert replicate(sides.engine(clock), KEY).reason is Reason.SOURCE_NOT_FOUND


def test_nothing_is_found_over_a_foreign_object_while_an_earlier_write_may_still_land(sides, clock):
    sides.destination.put_foreign(DestinationName("replica", "k"), b"somebody's")
    sides.source.put(KEY, b"hello")
    insert = sides.destination.insert

    def answer_lost(*args):
        sides.source.delete(KEY)
        sides.destination.insert = insert
        raise transient()

    sides.destination.insert = answer_lost
    with pytest.raises(Transient, match="may still be under way"):
        replicate(sides.engine(clock), KEY)


def test_an_earlier_write_that_lands_after_its_source_went_is_found_and_deleted(sides, clock):
    sides.rules = RuleSet((Rule("one", frozenset({"source"}), "replica", Deletes.PROPAGATE),))
    sides.source.put(KEY, b"hello")
    insert, lost = sides.destination.insert, []

    def answer_lost(*args):
        sides.source.delete(KEY)
        sides.destination.insert = insert
        lost.append(args)
        raise transient()

    def land(seconds):
        clock.sleep(seconds)
        if len(clock.slept) == 2:
            insert(*lost[0])

    sides.destination.insert = answer_lost
    engine = sides.engine(clock)
    engine = replace(engine, retry=replace(engine.retry, sleep=land))
    with pytest.raises(Transient, match="may still be under way"):  # nobody knows that it was this one that landed
        replicate(engine, KEY)
    assert replicate(engine, KEY).reason is Reason.SOURCE_NOT_FOUND
    assert sides.destination.data(DestinationName("replica", "k")) is None


def test_an_attempt_that_failed_before_it_wrote_leaves_no_doubt(sides, clock):
    stat, failures = sides.source.stat, [transient()]

    def fail_once(key):
        if failures:
            raise failures.pop()
        return stat(key)

    sides.source.stat = fail_once
    outcome = replicate(sides.engine(clock), KEY)
    assert (outcome.reason, outcome.attempts) == (Reason.SOURCE_NOT_FOUND, 2)


def test_a_write_whose_last_look_failed_counts_as_what_it_was(sides, clock):
    sides.source.put(KEY, b"hello")
    stat, seen = sides.source.stat, []

    def fail_at_the_last_look(key):
        seen.append(key)
        if len(seen) == 2:
            raise transient()
        return stat(key)

    sides.source.stat = fail_at_the_last_look
    outcome = replicate(sides.engine(clock), KEY)
    assert (outcome.result, outcome.copied_bytes, outcome.attempts) == (Result.CREATED, 5, 2)
    assert sides.destination.writes == ["write"]


def test_a_dry_run_ends_with_its_deadline_too(sides, clock):
    sides.source.put(KEY, b"hello")
    [late] = sides.engine(clock, Untouchable(), Untouchable()).replicate(KEY, Deadline.after(-5), dry_run=True)
    assert late.error.reason is Reason.OUT_OF_TIME


def test_the_failure_that_nobody_foresaw_names_its_rule_and_attempts(sides, clock):
    sides.source.stat = lambda key: 1 / 0
    [failure] = sides.engine(clock).replicate(KEY, Deadline.after(60))
    assert (failure.error.reason, failure.rule, failure.attempts) == (Reason.UNEXPECTED, "one", 1)


def test_an_unfinished_copy_is_a_failure_as_it_is(sides, clock):
    error, looks = Unfinished(5, 10), []

    def stat(key):
        looks.append(key)
        raise error

    sides.source.stat = stat
    [failure] = sides.engine(clock).replicate(KEY, Deadline.after(60))
    assert failure.error is error
    assert (failure.destination, failure.rule, failure.attempts) == (DestinationName("replica", "k"), "one", 1)
    assert (len(looks), clock.slept) == (1, [])


def test_the_outcome_tells_how_many_attempts_it_took_and_a_failure_too(sides, clock):
    sides.source.on_read = lambda offset: fail()

    def fail():
        raise transient()

    sides.source.put(KEY, b"hello")
    [failure] = sides.engine(clock, max_retries=2).replicate(KEY, Deadline.after(60))
    assert (failure.attempts, failure.rule, str(failure.destination)) == (3, "one", "gs://replica/k")


def test_without_any_time_nothing_is_tried(sides, clock):
    with pytest.raises(Transient) as late:
        replicate(sides.engine(clock, Untouchable(), Untouchable(), deadline_seconds=0), KEY)
    assert late.value.reason is Reason.OUT_OF_TIME
    assert clock.slept == []


def test_there_is_one_check_for_each_bucket_by_its_uri(sides, clock):
    assert sides.engine(clock).check() == {"s3://second": None, "s3://source": None, "gs://replica": None}


def test_a_check_fails_for_its_own_bucket_only(sides, clock):
    sides.source.buckets.remove("second")
    found = dict(sides.engine(clock).check())
    assert found.pop("s3://second").reason is Reason.SOURCE_BUCKET_NOT_FOUND
    assert found == {"s3://source": None, "gs://replica": None}


def test_a_check_that_ends_in_an_error_nobody_foresaw_hides_no_other(sides, clock):
    sides.destination.check = lambda bucket: 1 / 0
    found = sides.engine(clock).check()
    assert (found["gs://replica"].reason, found["s3://source"]) == (Reason.UNEXPECTED, None)
    assert isinstance(found["gs://replica"].__cause__, ZeroDivisionError)


# --- Several destinations ---------------------------------------------------------------------------------------------


@pytest.fixture
def two(sides):
    """Sides whose rules send each object of the source to two destination buckets."""
    sides.destination.buckets.add("second")
    sides.rules = RuleSet((Rule("one", frozenset({"source"}), "replica"), Rule("two", frozenset({"source"}), "second")))
    return sides


def test_every_destination_of_a_key_is_made_equal_to_it(two, clock):
    two.source.put(KEY, b"hello")
    outcomes = two.engine(clock).replicate(KEY, Deadline.after(60))
    assert [(outcome.rule, outcome.result) for outcome in outcomes] == [
        ("one", Result.CREATED),
        ("two", Result.CREATED),
    ]
    assert two.destination.data(DestinationName("second", "k")) == b"hello"


def test_a_failure_in_one_does_not_undo_or_block_another_and_a_redelivery_does_only_what_is_left(two, clock):
    two.source.put(KEY, b"hello")
    two.destination.buckets.remove("replica")
    failure, outcome = two.engine(clock).replicate(KEY, Deadline.after(60))
    assert (failure.error.reason, failure.rule) == (Reason.DESTINATION_BUCKET_NOT_FOUND, "one")
    assert (outcome.result, outcome.rule) == (Result.CREATED, "two")
    two.destination.buckets.add("replica")
    again = two.engine(clock).replicate(KEY, Deadline.after(60))
    assert [outcome.result for outcome in again] == [Result.CREATED, Result.UNCHANGED]
    assert two.destination.writes == ["write", "write"]


def test_one_that_hangs_does_not_hold_up_the_other(two, clock):
    """The first destination's write returns only when the second's has."""
    two.source.put(KEY, b"hello")
    second_done, insert = Event(), two.destination.insert

    def ordered(name, *args):
        if name.bucket == "replica":
            assert second_done.wait(30)
        written = insert(name, *args)
        if name.bucket == "second":
            second_done.set()
        return written

    two.destination.insert = ordered
    outcomes = two.engine(clock).replicate(KEY, Deadline.after(60))
    assert [outcome.result for outcome in outcomes] == [Result.CREATED, Result.CREATED]


def test_an_unexpected_error_in_one_does_not_hide_the_other(two, clock):
    two.source.put(KEY, b"hello")
    insert = two.destination.insert

    def unexpected(name, *args):
        if name.bucket == "replica":
            raise ValueError("nobody foresaw this")
        return insert(name, *args)

    two.destination.insert = unexpected
    failure, outcome = two.engine(clock).replicate(KEY, Deadline.after(60))
    assert (failure.error.reason, type(failure.error.__cause__)) == (Reason.UNEXPECTED, ValueError)
    assert outcome.result is Result.CREATED


def test_each_destination_sees_the_context_of_the_request(two, clock):
    request = ContextVar("request")
    request.set("this one")
    two.source.put(KEY, b"hello")
    seen = []
    two.source.on_read = lambda offset: seen.append(request.get(None))
    two.engine(clock).replicate(KEY, Deadline.after(60))
    assert set(seen) == {"this one"}


# --- A destination that the caller names ------------------------------------------------------------------------------


def test_a_caller_may_name_the_destination_between_two_buckets_of_a_rule(sides, clock):
    sides.source.put(KEY, b"hello")
    outcome = replicate(sides.engine(clock), KEY, DestinationName("replica", "another/name"))
    assert (outcome.result, outcome.rule, str(outcome.destination)) == (
        Result.CREATED,
        "one",
        "gs://replica/another/name",
    )
    assert sides.destination.data(DestinationName("replica", "k")) is None


@pytest.mark.parametrize(
    ("source", "destination"), [("source", "elsewhere"), ("elsewhere", "replica"), ("source", "third")]
)
def test_buckets_that_no_rule_joins_are_not_touched_whatever_the_caller_names(sides, clock, source, destination):
    sides.rules = RuleSet((*sides.rules.rules, Rule("three", frozenset({"third-source"}), "third")))
    engine = sides.engine(clock, Untouchable(), Untouchable())
    key, name = SourceKey(source, "k"), DestinationName(destination, "k")
    assert replicate(engine, key, name) == Outcome(Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, key, name)


def test_a_name_that_cannot_be_is_refused_when_the_caller_chose_it(sides, clock):
    with pytest.raises(Permanent) as refused:
        replicate(sides.engine(clock, Untouchable(), Untouchable()), KEY, DestinationName("replica", ".replicator/x"))
    assert refused.value.reason is Reason.DESTINATION_NAME_INVALID


# --- A dry run --------------------------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_happen_and_writes_nothing(sides, clock):
    sides.source.put(KEY, b"hello")
    foreseen = replicate(sides.engine(clock), KEY, dry_run=True)
    assert (foreseen.result, foreseen.reason, foreseen.copied_bytes, foreseen.dry_run) == (
        Result.CREATED,
        Reason.DESTINATION_ABSENT,
        5,
        True,
    )
    assert sides.destination.writes == []
    assert sides.source.read_bytes == 0


def test_a_dry_run_of_a_replica_whose_source_is_gone_says_that_it_would_be_deleted(sides, clock):
    sides.rules = RuleSet((Rule("one", frozenset({"source"}), "replica", Deletes.PROPAGATE),))
    sides.source.put(KEY, b"hello")
    generation = replicate(sides.engine(clock), KEY).generation
    sides.source.delete(KEY)
    foreseen = replicate(sides.engine(clock), KEY, dry_run=True)
    assert (foreseen.result, foreseen.generation) == (Result.DELETED, generation)
    assert sides.destination.writes == ["write"]


# --- Status and deletion ----------------------------------------------------------------------------------------------

NAME = DestinationName("replica", "k")


def test_a_replica_is_in_sync_until_its_source_changes(sides, clock):
    engine = sides.engine(clock)
    state = sides.source.put(KEY, b"hello")
    replicate(engine, KEY)
    assert (engine.status(NAME).in_sync, engine.status(NAME).reason) == (True, Reason.IN_SYNC)
    sides.source.put(KEY, b"hello", last_modified=state.last_modified + timedelta(seconds=5))
    assert (engine.status(NAME).in_sync, engine.status(NAME).reason) == (False, Reason.METADATA_CHANGED)
    sides.source.put(KEY, b"other")
    assert engine.status(NAME).reason is Reason.SOURCE_CHANGED
    sides.source.delete(KEY)
    assert engine.status(NAME).reason is Reason.SOURCE_NOT_FOUND
    assert sides.destination.writes == ["write"]


def test_an_object_without_a_receipt_is_not_in_sync_with_anything(sides, clock):
    sides.destination.put_foreign(NAME, b"hello")
    assert sides.engine(clock, source=Untouchable()).status(NAME).reason is Reason.DESTINATION_FOREIGN


def test_the_status_does_not_read_a_source_bucket_that_no_rule_names_any_more(sides, clock):
    sides.source.put(KEY, b"hello")
    replicate(sides.engine(clock), KEY)
    sides.rules = RuleSet((Rule("two", frozenset({"second"}), "replica"),))
    assert sides.engine(clock, source=Untouchable()).status(NAME).reason is Reason.BUCKET_NOT_IN_RULES


@pytest.mark.parametrize("ask", ["status", "delete"])
@pytest.mark.parametrize(
    ("bucket", "reason"), [("replica", Reason.DESTINATION_NOT_FOUND), ("elsewhere", Reason.BUCKET_NOT_IN_RULES)]
)
def test_what_is_not_there_or_not_ours_to_ask_about_is_refused(sides, clock, ask, bucket, reason):
    with pytest.raises(Permanent) as refused:
        getattr(sides.engine(clock), ask)(DestinationName(bucket, "k"))
    assert refused.value.reason is reason


def test_a_replica_is_deleted_when_somebody_asks_for_it(sides, clock):
    sides.source.put(KEY, b"hello")
    generation = replicate(sides.engine(clock), KEY).generation
    outcome = sides.engine(clock).delete(NAME, generation)
    assert outcome == Outcome(Result.DELETED, Reason.DELETED_ON_REQUEST, KEY, NAME, generation=generation)
    assert sides.destination.data(NAME) is None


def test_an_object_without_a_receipt_is_not_deleted(sides, clock):
    sides.destination.put_foreign(NAME, b"precious")
    with pytest.raises(Permanent) as refused:
        sides.engine(clock).delete(NAME)
    assert refused.value.reason is Reason.DESTINATION_FOREIGN
    assert sides.destination.data(NAME) == b"precious"


def test_only_the_generation_that_was_named_is_deleted(sides, clock):
    sides.source.put(KEY, b"hello")
    generation = replicate(sides.engine(clock), KEY).generation
    with pytest.raises(Permanent) as refused:
        sides.engine(clock).delete(NAME, generation - 1)
    assert refused.value.reason is Reason.DESTINATION_MOVED
    assert sides.destination.data(NAME) == b"hello"


def test_an_object_that_is_overwritten_meanwhile_is_not_deleted(sides, clock):
    sides.source.put(KEY, b"hello")
    replicate(sides.engine(clock), KEY)
    stat = sides.destination.stat

    def overwritten_after(name):
        seen = stat(name)
        sides.destination.put_foreign(name, b"newer")
        return seen

    sides.destination.stat = overwritten_after
    with pytest.raises(Permanent) as refused:
        sides.engine(clock).delete(NAME)
    assert refused.value.reason is Reason.DESTINATION_MOVED
    assert sides.destination.data(NAME) == b"newer"
