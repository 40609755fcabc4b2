"""Holding dead letters: nothing is shown twice, and what is not acknowledged is given back, however it ends."""

import inspect
import threading

import pytest

from replicator.dead_letters import Hold
from replicator.dead_letters.hold import PULLS
from replicator.errors import ReplicationError, Transient
from replicator.ports import LEASE
from replicator.reasons import Reason
from tests.fakes import Clock, InMemoryDeadLetters

NEVER = 10_000.0


@pytest.fixture
def queue() -> InMemoryDeadLetters:
    queue = InMemoryDeadLetters(Clock())
    for text in (b"a", b"b", b"c"):
        queue.publish(text, {})
    return queue


def ids(letters) -> list[str]:
    return [letter.message_id for letter in letters]


def test_nothing_is_pulled_twice_and_all_is_given_back(queue):
    with Hold(queue, NEVER) as hold:
        assert ids(hold.pull(2)) == ["m1", "m2"]
        assert ids(hold.pull(2)) == ["m3"]
        assert ids(hold.pull(2)) == []
        assert queue.held == ["m1", "m2", "m3"]
    assert queue.held == []
    assert len(queue.letters) == 3


def test_what_is_acknowledged_is_gone_and_the_rest_is_given_back(queue):
    with Hold(queue, NEVER) as hold:
        letters = hold.pull(3)
        hold.acknowledge([letters[1].message_id])
    assert list(queue.letters) == ["m1", "m3"]
    assert queue.held == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError(), Transient(Reason.PUBLISH_FAILED)])
def test_all_is_given_back_when_something_goes_wrong(queue, error):
    def work() -> None:
        with Hold(queue, NEVER) as hold:
            hold.pull(3)
            raise error

    with pytest.raises(type(error)):
        work()
    assert (queue.held, len(queue.letters)) == ([], 3)


@pytest.mark.parametrize("call", ["pull", "extend", "acknowledge"])
def test_all_is_given_back_when_pubsub_fails(queue, call):
    calls: list[str] = []

    def fail_the_second_time(name: str) -> None:
        calls.append(name)
        if name == call and (calls.count(name) == 2 or name == "acknowledge"):
            raise Transient(Reason.SUBSCRIPTION_UNAVAILABLE)

    def work() -> None:
        with Hold(queue, NEVER) as hold:
            pulled = [letter for _ in range(3) for letter in hold.pull(1)]
            hold.acknowledge([pulled[0].message_id])

    queue.on_call = fail_the_second_time
    with pytest.raises(Transient):
        work()
    assert (queue.held, len(queue.letters)) == ([], 3)


def test_what_cannot_be_given_back_comes_back_by_itself(queue):
    def fail(name: str) -> None:
        if name == "release":
            raise Transient(Reason.SUBSCRIPTION_UNAVAILABLE)

    with Hold(queue, NEVER) as hold:
        hold.pull(3)
        queue.on_call = fail
    assert len(queue.held) == 3
    queue.clock.advance(LEASE)
    assert (queue.held, len(queue.letters)) == ([], 3)


def test_a_message_that_comes_again_while_it_is_held_is_not_shown_again_and_is_given_back(queue):
    with Hold(queue, NEVER) as hold:
        hold.pull(3)
        queue.clock.advance(LEASE)  # nobody extended
        assert hold.pull(3) == ()
        assert len(queue.held) == 3
    assert queue.held == []


def test_known_messages_that_come_again_do_not_end_the_look(queue):
    with Hold(queue, NEVER) as hold:
        assert ids(hold.pull(2)) == ["m1", "m2"]
        queue.clock.advance(LEASE)  # nobody extended: the next pull brings them again
        assert ids(hold.pull(2)) == ["m3"]


def test_a_pull_of_fewer_than_asked_for_that_are_all_known_does_not_end_the_look(queue):
    pull = queue.pull
    with Hold(queue, NEVER) as hold:
        assert ids(hold.pull(2)) == ["m1", "m2"]
        queue.clock.advance(LEASE)  # nobody extended
        queue.pull = lambda most: pull(1)
        assert ids(hold.pull(3)) == ["m3"]


def test_a_queue_that_gives_nothing_but_known_messages_is_not_pulled_for_ever(queue):
    pulls: list[str] = []
    with Hold(queue, NEVER) as hold:
        hold.pull(3)
        queue.on_call = lambda name: (pulls.append(name), queue.clock.advance(LEASE)) if name == "pull" else None
        assert hold.pull(3) == ()
    assert len(pulls) == PULLS


def test_of_a_message_that_came_again_the_newest_handle_is_acknowledged(queue):
    handles: list[str] = []
    acknowledge = queue.acknowledge
    queue.acknowledge = lambda given: (handles.extend(given), acknowledge(given))
    with Hold(queue, NEVER) as hold:
        letters = hold.pull(1)
        queue.clock.advance(LEASE)
        hold.pull(1)
        hold.acknowledge([letters[0].message_id])
    assert handles != [letters[0].handle]
    assert list(queue.letters) == ["m2", "m3"]


def test_leases_that_cannot_be_extended_for_a_reason_nobody_foresaw_end_the_look(queue):
    failed = threading.Event()

    def fail(name: str) -> None:
        if name == "extend" and threading.current_thread() is not threading.main_thread():
            failed.set()
            raise KeyError("a secret")

    with Hold(queue, 0.001) as hold:
        letters = hold.pull(1)
        queue.on_call = fail
        assert failed.wait(60)
        hold._extending.join(60)
        for work in (lambda: hold.pull(1), lambda: hold.acknowledge([letters[0].message_id])):
            with pytest.raises(ReplicationError) as ended:
                work()
            assert ended.value.reason is Reason.UNEXPECTED
    assert (queue.held, len(queue.letters)) == ([], 3)


def test_a_subscription_with_a_short_deadline_of_its_own_is_extended_at_once(queue):
    calls: list[str] = []
    queue.on_call = calls.append
    with Hold(queue, NEVER) as hold:
        hold.pull(3)
        assert calls == ["pull", "extend"]


def test_leases_are_extended_often_enough_that_one_failure_loses_none():
    assert inspect.signature(Hold).parameters["interval"].default <= LEASE / 2


def test_leases_are_extended_while_somebody_thinks_even_if_that_fails_now_and_then(queue):
    rounds = threading.Semaphore(0)
    extended: list[int] = []

    def call(name: str) -> None:
        if name == "extend" and threading.current_thread() is not threading.main_thread():
            extended.append(len(queue.held))
            rounds.release()
            if len(extended) == 2:
                raise Transient(Reason.SUBSCRIPTION_UNAVAILABLE)

    queue.on_call = call
    with Hold(queue, 0.001) as hold:
        hold.pull(3)
        for _ in range(6):
            assert rounds.acquire(timeout=30)
        assert len(queue.held) == 3


def test_what_was_acknowledged_is_extended_no_more(queue):
    extended: list[list[str]] = []
    extend = queue.extend

    def watch(handles) -> None:
        extended.append(list(handles))
        extend(handles)

    queue.extend = watch
    rounds = threading.Semaphore(0)
    queue.on_call = lambda name: rounds.release() if name == "extend" else None
    with Hold(queue, 0.001) as hold:
        letters = hold.pull(3)
        hold.acknowledge([letter.message_id for letter in letters[:2]])
        already = len(extended)
        while len(extended) < already + 3:
            assert rounds.acquire(timeout=30)
    assert extended[-1] == [letters[2].handle]
