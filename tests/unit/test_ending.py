"""The end of the process: announced once, known to every deadline, and waited for by nobody for ever."""

from concurrent.futures import Future
from threading import Thread
from unittest.mock import patch

import pytest

from replicator.deadline import Deadline
from replicator.ending import Ending
from replicator.errors import Transient
from replicator.reasons import Reason
from tests.fakes import Clock


def test_until_it_is_announced_deadlines_are_their_own():
    clock, ending = Clock(), Ending()
    assert not ending.announced
    assert Deadline.after(480, clock, ending).remaining == 480


def test_once_it_is_announced_every_deadline_ends_with_it_also_those_under_way():
    clock = Clock()
    ending = Ending(finishing=5, clock=clock)
    before, short = Deadline.after(480, clock, ending), Deadline.after(2, clock, ending)
    ending.announce()
    assert ending.announced
    assert before.remaining == Deadline.after(480, clock, ending).remaining == 5
    assert before.earlier(3).remaining == 2
    assert short.remaining == 2
    clock.advance(5)
    with pytest.raises(Transient) as caught:
        before.check()
    assert caught.value.reason is Reason.STOPPING
    with pytest.raises(Transient) as caught:
        short.check()
    assert caught.value.reason is Reason.OUT_OF_TIME


def test_announcing_it_again_gives_no_more_time():
    clock = Clock()
    ending = Ending(finishing=5, clock=clock)
    ending.announce()
    clock.advance(4)
    ending.announce()
    assert Deadline.after(480, clock, ending).remaining == 1


def test_it_is_announced_from_a_signal_handler_without_starting_a_thread():
    """The thread that the signal interrupts may hold the lock that this takes."""
    ending = Ending()
    with patch.object(Thread, "start", side_effect=AssertionError("a thread was started")):
        ending.announce()
    assert ending.announced


def test_work_that_is_done_in_time_is_answered_as_ever():
    ending = Ending(answering=60)
    done, failed = Future[int](), Future[int]()
    ending.announce()
    done.set_result(7)
    failed.set_exception(Transient(Reason.CONTENTION))
    assert ending.wait_for(done) == 7
    with pytest.raises(Transient) as caught:
        ending.wait_for(failed)
    assert caught.value.reason is Reason.CONTENTION


def test_work_that_hangs_is_given_up_by_whoever_waited_before_and_whoever_waits_after():
    ending, hanging = Ending(finishing=0.02, answering=0.02), Future[int]()
    given_up = []

    def wait() -> None:
        with pytest.raises(Transient) as caught:
            ending.wait_for(hanging)
        given_up.append(caught.value.reason)

    before = Thread(target=wait)
    before.start()
    ending.announce()
    before.join(60)
    wait()
    assert given_up == [Reason.STOPPING] * 2
