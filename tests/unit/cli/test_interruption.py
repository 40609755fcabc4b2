"""Ctrl-C reaches all threads of a copy as a deadline that has passed."""

import signal
import threading

import pytest

from replicator.cli import interruption
from replicator.cli.interruption import StillRunning, other_signals_as_ctrl_c, run_interruptibly
from replicator.errors import Transient
from replicator.reasons import Reason


def test_work_that_is_not_interrupted_gives_its_result_and_has_a_week():
    assert run_interruptibly(lambda deadline: round(deadline.remaining / 3600)) == 7 * 24


def test_an_error_of_the_work_is_raised_here():
    with pytest.raises(ZeroDivisionError):
        run_interruptibly(lambda deadline: 1 / 0)


def interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)


def test_interrupted_work_ends_by_its_deadline_and_is_waited_for():
    ended = []

    def work(deadline):
        interrupt()
        try:
            while True:
                deadline.check()
        except Transient as error:
            ended.append(error.reason)

    with pytest.raises(KeyboardInterrupt) as raised:
        run_interruptibly(work)
    assert raised.type is KeyboardInterrupt
    assert ended == [Reason.OUT_OF_TIME]


def test_work_that_hangs_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(interruption, "GRACE", 0.01)
    go_on = threading.Event()

    def work(deadline):
        interrupt()
        go_on.wait(30)

    with pytest.raises(StillRunning):
        run_interruptibly(work)
    go_on.set()


def test_who_presses_ctrl_c_again_does_not_wait(monkeypatch):
    monkeypatch.setattr(interruption, "GRACE", 60)
    go_on = threading.Event()

    def work(deadline):
        interrupt()
        while deadline.remaining > 0:
            pass
        interrupt()
        go_on.wait(30)

    with pytest.raises(StillRunning):
        run_interruptibly(work)
    go_on.set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_another_signal_is_as_good_as_ctrl_c_within_and_not_after(number):
    with pytest.raises(KeyboardInterrupt), other_signals_as_ctrl_c():
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_DFL


def test_a_signal_that_is_ignored_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with other_signals_as_ctrl_c():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
