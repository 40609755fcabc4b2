"""The end of this process: it is announced once, and then whatever is under way has little time left."""

import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from math import inf
from typing import Any, TypeVar

from replicator.errors import Transient
from replicator.reasons import Reason

T = TypeVar("T")

FINISHING_SECONDS = 4.0
"""From the announcement on: in this time what is under way finishes, or stops in good order."""

ANSWERING_SECONDS = 1.0
"""After that nobody is waited for any more. Cloud Run kills an instance 10 s after the announcement
(https://cloud.google.com/run/docs/container-contract#instance-shutdown), and gunicorn its worker a little earlier."""


class Ending:
    """`at` is the time, in seconds of `clock`, by which work is to be over: never, until the end is announced."""

    def __init__(
        self,
        finishing: float = FINISHING_SECONDS,
        answering: float = ANSWERING_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.at = inf
        self._finishing, self._answering, self._clock = finishing, answering, clock
        self._announcement = Future[None]()

    @property
    def announced(self) -> bool:
        return self.at < inf

    def announce(self) -> None:
        """May be called again, and where a signal is handled: it takes no lock that the interrupted thread may hold, as
        starting a timer would."""
        if not self.announced:
            self.at = self._clock() + self._finishing
            self._announcement.set_result(None)

    def wait_for(self, work: Future[T]) -> T:
        """What `work` comes to. Raises what it raises, and `Transient(stopping)` when the end leaves no time for it:
        it goes on unobserved, until the process is killed."""
        either: tuple[Future[Any], ...] = (work, self._announcement)
        wait(either, return_when=FIRST_COMPLETED)
        if not work.done():
            wait([work], self.at + self._answering - self._clock())
        if not work.done():
            raise Transient(Reason.STOPPING)
        return work.result()
