"""One point in time by which an attempt must be over."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from replicator.errors import Transient
from replicator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Deadline:
    """Shorter than the caller's own time-out, so that the answer is ours. `at` is in seconds of `clock`."""

    at: float
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        return cls(clock() + seconds, clock)

    @property
    def remaining(self) -> float:
        """Seconds left; negative when it has passed."""
        return self.at - self.clock()

    def check(self) -> None:
        """Raises `Transient(out_of_time)` when it has passed."""
        if self.remaining <= 0:
            raise Transient(Reason.OUT_OF_TIME)
