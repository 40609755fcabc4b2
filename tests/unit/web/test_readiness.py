"""Readiness under strangers: both sides are asked once at a time, now and then, and nobody waits for ever."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from replicator.ending import FINISHING_SECONDS
from replicator.errors import Permanent, ReplicationError, Transient, unexpected
from replicator.reasons import Reason
from replicator.web.readiness import KEPT_SECONDS, PATIENCE_SECONDS, Readiness
from tests.fakes import Clock

CALLERS = 8


class Sides:
    """An engine that is asked; it answers once `go_on` is set. `on_check` runs before each answer."""

    def __init__(self) -> None:
        self.asked, self.begun, self.go_on = 0, Event(), Event()
        self.problems: dict[str, ReplicationError | None] = {"s3://source": None}
        self.on_check: Callable[[], None] = lambda: None
        self.go_on.set()

    def check(self) -> dict[str, ReplicationError | None]:
        self.asked += 1
        self.begun.set()
        assert self.go_on.wait(60)
        self.on_check()
        return dict(self.problems)


@pytest.fixture
def sides() -> Iterator[Sides]:
    made = Sides()
    yield made
    made.go_on.set()


def test_an_answer_is_kept_for_some_seconds_and_then_asked_for_again(sides):
    clock = Clock()
    ready = Readiness(lambda: sides, clock=clock)
    assert {ready(None).status_code for _ in range(CALLERS)} == {200}
    clock.advance(KEPT_SECONDS - 0.1)
    sides.problems["s3://source"] = Permanent(Reason.SOURCE_ACCESS_DENIED)
    assert (ready(None).status_code, sides.asked) == (200, 1)
    clock.advance(0.1)
    assert (ready(None).status_code, sides.asked) == (503, 2)


def test_an_answer_that_took_long_is_kept_from_when_it_came(sides):
    clock = Clock()
    ready = Readiness(lambda: sides, clock=clock)
    sides.on_check = lambda: clock.advance(KEPT_SECONDS + 1)
    for _ in range(2):
        assert ready(None).status_code == 200
    assert sides.asked == 1


def test_whoever_comes_while_both_sides_are_asked_waits_for_the_same_answer(sides):
    sides.go_on.clear()
    ready = Readiness(lambda: sides, patience=60)
    with ThreadPoolExecutor(CALLERS) as callers:
        calls = [callers.submit(ready, None) for _ in range(CALLERS)]
        assert sides.begun.wait(60)
        assert not any(call.done() for call in calls)
        sides.go_on.set()
        assert {call.result(60).status_code for call in calls} == {200}
    assert sides.asked == 1


def test_a_side_that_hangs_is_not_waited_for_and_not_asked_again_meanwhile(sides):
    sides.go_on.clear()
    clock = Clock()
    ready = Readiness(lambda: sides, patience=0.01, clock=clock)
    for _ in range(3):
        with pytest.raises(Transient) as late:
            ready(None)
        assert late.value.reason is Reason.OUT_OF_TIME
        clock.advance(KEPT_SECONDS)
    assert sides.begun.wait(60)
    assert sides.asked == 1


def test_nobody_waits_longer_than_the_end_of_a_process_takes():
    assert PATIENCE_SECONDS <= FINISHING_SECONDS


@pytest.mark.parametrize(
    ("problem", "logged"),
    [(unexpected(KeyError()), ["ERROR"]), (Permanent(Reason.SOURCE_ACCESS_DENIED), [])],
    ids=["unforeseen", "foreseen"],
)
def test_a_problem_that_nobody_foresaw_is_logged_once(sides, caplog, problem, logged):
    sides.problems["s3://source"] = problem
    ready = Readiness(lambda: sides, clock=Clock())
    assert {ready(None).status_code for _ in range(CALLERS)} == {503}
    assert [record.levelname for record in caplog.records] == logged


def test_an_engine_that_cannot_be_built_is_not_built_for_each_caller(sides):
    built: list[int] = []

    def engine() -> Sides:
        built.append(1)
        if len(built) == 1:
            raise Transient(Reason.CREDENTIALS_UNAVAILABLE)
        return sides

    clock = Clock()
    ready = Readiness(engine, clock=clock)
    for _ in range(CALLERS):
        with pytest.raises(Transient):
            ready(None)
    assert len(built) == 1
    clock.advance(KEPT_SECONDS)
    assert ready(None).status_code == 200
