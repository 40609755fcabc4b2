"""The engine: what no rule names is not touched, what is transient is tried again, and all of it ends in time."""

from dataclasses import replace
from itertools import pairwise

import pytest

from replicator.deadline import Deadline
from replicator.engine import Engine, RetryPolicy
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import DestinationName, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Rule
from replicator.transfer import Transfer
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
    return policy.run(attempts, Deadline.after(seconds, clock))


# --- Retrying ---------------------------------------------------------------------------------------------------------


def test_a_success_is_not_repeated(clock):
    attempts = Attempts()
    assert run(clock, attempts) == DONE
    assert (attempts.made, clock.slept) == (1, [])


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_transient_failure_is_repeated_and_the_outcome_tells_how_often(clock, failures):
    outcome = run(clock, Attempts(*[transient()] * failures))
    assert outcome == replace(DONE, attempts=failures + 1)


@pytest.mark.parametrize("max_retries", [0, 1, 5])
def test_there_is_one_attempt_more_than_there_are_retries_and_the_last_error_counts(clock, max_retries):
    attempts = Attempts(*[transient(str(number)) for number in range(10)])
    with pytest.raises(Transient) as last:
        run(clock, attempts, max_retries)
    assert attempts.made == max_retries + 1
    assert last.value.detail == str(max_retries)


@pytest.mark.parametrize(
    "error", [Permanent(Reason.SOURCE_REFUSED), DestinationMoved(), ValueError("unexpected"), KeyboardInterrupt()]
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

    def engine(self, clock, source=None, destination=None, **policy) -> Engine:
        source, destination = source or self.source, destination or self.destination
        return Engine(
            (Rule("one", frozenset({"source"}), "replica"), Rule("two", frozenset({"second"}), "replica")),
            Reconciler(source, destination, Transfer(source, destination, 64 * 1024)),
            RetryPolicy(policy.get("max_retries", 3), 1, 2, clock.sleep),
            policy.get("deadline_seconds", 60),
        )


@pytest.fixture
def sides():
    return Sides()


def replicate(engine, key):
    return engine.replicate(key, engine.new_deadline())


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
    failures = [transient(), transient()]

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


def test_without_any_time_nothing_is_tried(sides, clock):
    with pytest.raises(Transient) as late:
        replicate(sides.engine(clock, Untouchable(), Untouchable(), deadline_seconds=0), KEY)
    assert late.value.reason is Reason.OUT_OF_TIME
    assert clock.slept == []


def test_there_is_one_check_for_each_bucket_by_its_uri(sides, clock):
    checks = sides.engine(clock).checks()
    assert list(checks) == ["s3://second", "s3://source", "gs://replica"]
    for check in checks.values():
        check()


def test_a_check_fails_for_its_own_bucket_only(sides, clock):
    sides.source.buckets.remove("second")
    checks = dict(sides.engine(clock).checks())
    with pytest.raises(Permanent) as missing:
        checks.pop("s3://second")()
    assert missing.value.reason is Reason.SOURCE_BUCKET_NOT_FOUND
    for check in checks.values():
        check()
