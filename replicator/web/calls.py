"""Calls the engine on behalf of a door, and logs each outcome once."""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

from replicator.deadline import Deadline
from replicator.engine import Engine
from replicator.errors import ReplicationError, unexpected
from replicator.model import DestinationName, Failure, Outcome, SourceKey
from replicator.once import once
from replicator.telemetry import Occasion, log_failure, log_outcome


@dataclass(frozen=True, slots=True)
class Called:
    """What one call came to, for each destination, and how long it took."""

    results: tuple[Outcome | Failure, ...]
    seconds: float


class Calls:
    """The engine is asked for when it is needed, for its clients must not be built before gunicorn forks."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def new_deadline(self) -> Callable[[], Deadline]:
        """One deadline for a whole request. It begins with the first object: an ignored event needs no engine."""
        return once(lambda: self._engine().new_deadline())

    def replicate(
        self,
        key: SourceKey,
        occasion: Occasion,
        deadline: Callable[[], Deadline],
        to: DestinationName | None = None,
        *,
        dry_run: bool = False,
    ) -> tuple[Outcome | Failure, ...]:
        """As `attempt`, and logs what it came to."""
        called = self.attempt(key, deadline, to, dry_run=dry_run)
        for result in called.results:
            log_result(result, occasion, called.seconds)
        return called.results

    def attempt(
        self,
        key: SourceKey,
        deadline: Callable[[], Deadline],
        to: DestinationName | None = None,
        *,
        dry_run: bool = False,
    ) -> Called:
        """As `Engine.replicate`. Never raises: one object must not hide the others of its request."""
        started = perf_counter()
        results: tuple[Outcome | Failure, ...]
        try:
            results = self._engine().replicate(key, deadline(), to, dry_run=dry_run)
        except ReplicationError as error:
            results = (Failure(error, key, to),)
        except Exception as error:
            results = (Failure(unexpected(error), key, to),)
        return Called(results, perf_counter() - started)


def log_result(result: Outcome | Failure, occasion: Occasion, seconds: float) -> None:
    """One line, and the metrics."""
    if isinstance(result, Outcome):
        log_outcome(result, occasion, seconds)
    else:
        log_failure(result, occasion, seconds)
