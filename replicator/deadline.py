"""One point in time by which an attempt must be over."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from replicator.ending import Ending
from replicator.errors import Transient
from replicator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Deadline:
    """Shorter than the caller's own time-out, so that the answer is ours, and no later than the process's end.

    `at` is in seconds of `clock`; `reserve` is how many seconds before that it has passed.
    """

    at: float
    clock: Callable[[], float] = time.monotonic
    ending: Ending = field(default_factory=Ending)
    reserve: float = 0.0

    @classmethod
    def after(
        cls, seconds: float, clock: Callable[[], float] = time.monotonic, ending: Ending | None = None
    ) -> "Deadline":
        return cls(clock() + seconds, clock, ending or Ending())

    def earlier(self, seconds: float) -> "Deadline":
        """The same, so many seconds before."""
        return replace(self, reserve=self.reserve + seconds)

    @property
    def remaining(self) -> float:
        """Seconds left; negative when it has passed."""
        return min(self.at, self.ending.at) - self.reserve - self.clock()

    def check(self) -> None:
        """Raises `Transient(out_of_time)` when it has passed, `Transient(stopping)` where the end made it earlier."""
        if self.remaining <= 0:
            raise Transient(Reason.STOPPING if self.ending.at < self.at else Reason.OUT_OF_TIME)
