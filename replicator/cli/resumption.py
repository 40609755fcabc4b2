"""Copies that take longer than one attempt may."""

from collections.abc import Callable

from replicator.errors import Unfinished
from replicator.model import Failure, Outcome
from replicator.reasons import Reason

Results = tuple[Outcome | Failure, ...]


def to_the_end(attempt: Callable[[], Results]) -> Results:
    """What `attempt` comes to, for each destination. It is repeated while a copy is unfinished: then it got ahead."""
    results = attempt()
    while any(isinstance(result, Failure) and isinstance(result.error, Unfinished) for result in results):
        results = tuple(_later(before, now) for before, now in zip(results, attempt(), strict=True))
    return results


def _later(before: Outcome | Failure, now: Outcome | Failure) -> Outcome | Failure:
    """Of one destination. What an earlier attempt has written stays written: only to the last it is in sync already."""
    found_done = isinstance(before, Outcome) and isinstance(now, Outcome) and now.reason is Reason.IN_SYNC
    return before if found_done else now
