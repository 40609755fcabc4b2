"""Ends a copy at Ctrl-C in order, where that is possible, and at once where it is not."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from typing import TypeVar

from replicator.deadline import Deadline

T = TypeVar("T")

GRACE = 4.0
"""Seconds in which an interrupted copy may give up its upload session; one that hangs does not get more."""

INTERVAL = 0.1
"""Seconds after which Ctrl-C is noticed at the latest."""

SECONDS = 7 * 24 * 3600.0
"""The time a copy has when nobody waits for an answer: the life of an upload session
(https://cloud.google.com/storage/docs/resumable-uploads#session-uris)."""


class StillRunning(KeyboardInterrupt):
    """Some thread of the work hangs, and the interpreter would wait for it."""


def run_interruptibly(work: Callable[[Deadline], T]) -> T:
    """What `work` returns. At Ctrl-C or SIGTERM its deadline passes, and `KeyboardInterrupt` is raised once it has
    ended; `StillRunning` when it does not end, or Ctrl-C is pressed again.

    An exception in the middle of a copy would reach one of its threads only, and the others would go on; a deadline
    reaches all of them. Nothing a copy has written is visible before it is whole, however it ends.
    """
    interrupted = threading.Event()
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work(Deadline.after(SECONDS, clock)))
        except BaseException as error:  # it belongs to the thread that waits for the result
            done.set_exception(error)

    def clock() -> float:
        return float("inf") if interrupted.is_set() else time.monotonic()

    try:
        with other_signals_as_ctrl_c():
            threading.Thread(target=run, name="copy", daemon=True).start()
            _wait(done, float("inf"))
        return done.result()
    except KeyboardInterrupt:
        with suppress(KeyboardInterrupt):  # a second Ctrl-C may come from here on
            interrupted.set()
            _wait(done, GRACE)
        if not done.done():
            raise StillRunning from None
        raise


@contextmanager
def other_signals_as_ctrl_c() -> Iterator[None]:
    """Within, SIGTERM and the end of the terminal raise `KeyboardInterrupt`, too, so that what is begun is cleaned up.
    What whoever started us ignores, as `nohup` does, stays ignored."""
    heeded = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    for number in heeded:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)


def _wait(done: Future[T], seconds: float) -> None:
    """In short waits: a signal that arrives just before one begins is not noticed before it ends."""
    end = time.monotonic() + seconds
    while not done.done() and (left := end - time.monotonic()) > 0:
        wait([done], timeout=min(left, INTERVAL))


def end_at_once() -> None:
    """Ends the process as Ctrl-C ends any other, whatever its threads do; a shell shows that as 130, too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.raise_signal(signal.SIGINT)
