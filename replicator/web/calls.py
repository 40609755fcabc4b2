"""Calls the engine on behalf of a door, and logs each outcome once."""

from collections.abc import Callable
from time import perf_counter

from replicator.deadline import Deadline
from replicator.engine import Engine
from replicator.errors import ReplicationError, unexpected
from replicator.model import DestinationName, Failure, Outcome, SourceKey
from replicator.once import once
from replicator.telemetry import Occasion, log_failure, log_outcome


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
        """As `Engine.replicate`. Never raises: one object must not hide the others of its request."""
        started = perf_counter()
        try:
            results = self._engine().replicate(key, deadline(), to, dry_run=dry_run)
        except ReplicationError as error:
            results = (Failure(error, key, to),)
        except Exception as error:
            results = (Failure(unexpected(error), key, to),)
        for result in results:
            if isinstance(result, Outcome):
                log_outcome(result, occasion, perf_counter() - started)
            else:
                log_failure(result, occasion, perf_counter() - started)
        return results
