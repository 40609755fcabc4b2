"""Signals as an ordinary call."""

import signal
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def call_on_signal(end: Callable[[], None]) -> None:
    """Calls `end` in a thread of its own at the first signal that asks this process to end; later ones do nothing.

    A handler interrupts whatever the main thread is doing, perhaps while it holds the very lock that `end` needs. Of
    all queues, only a `SimpleQueue` may be written to there.
    """
    received: SimpleQueue[int] = SimpleQueue()

    def wait_and_end() -> None:
        received.get()
        end()

    Thread(target=wait_and_end, name="signals", daemon=True).start()
    for number in ENDING:
        signal.signal(number, lambda number, _frame: received.put(number))
