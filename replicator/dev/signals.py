"""Signals as an ordinary call."""

import signal
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class EndingSignals:
    """Takes the signals that ask this process to end, from now on.

    A handler interrupts whatever the main thread is doing: an import that swallows the exception, or a call that holds
    the very lock that ending needs. So it only notes the signal, in the one kind of queue that may be written to there.
    """

    def __init__(self) -> None:
        self._received: SimpleQueue[int] = SimpleQueue()
        for number in ENDING:
            signal.signal(number, lambda number, _frame: self._received.put(number))

    def then(self, end: Callable[[], None]) -> None:
        """Calls `end`, in a thread of its own, at the first signal there was or will be. Later ones do nothing."""

        def wait_and_end() -> None:
            self._received.get()
            end()

        Thread(target=wait_and_end, name="signals", daemon=True).start()
