"""Says once, at the edge, what became of a request, an event or an object: in one line, and to the metrics."""

import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from replicator.errors import Permanent, ReplicationError, unexpected
from replicator.model import Change, Failure, IgnoredEvent, Outcome
from replicator.reasons import Reason
from replicator.telemetry.fields import failure_fields, outcome_fields, present
from replicator.telemetry.lines import logger
from replicator.telemetry.scope import current_scope

Recorder = Callable[[Mapping[str, Any]], None]
"""Is given the fields of every line, whether its severity is logged or not."""

_recorders: list[Recorder] = []


def record_with(*recorders: Recorder) -> None:
    """From now on these count what is said, in place of those before. One setting for the process, as with logging."""
    _recorders[:] = recorders


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why something was replicated: what the request turned out to be, and the event if there was one."""

    door: str
    change: Change | None = None


def log_outcome(outcome: Outcome, occasion: Occasion, seconds: float) -> None:
    """`seconds` is how long it took. The lag is from the event's time to now, when the outcome is durable."""
    fields = {**_occasion_fields(occasion), **outcome_fields(outcome), **_times(occasion, seconds)}
    _say(logging.INFO, f"{outcome.result}: {outcome.source}", fields)


def log_failure(failure: Failure, occasion: Occasion, seconds: float) -> None:
    """An object that did not become equal to its source. The lag is how old the event is by now."""
    about = {**_occasion_fields(occasion), **failure_fields(failure), **_times(occasion, seconds)}
    _say_failed(failure.error, about)


def log_handed_over(failure: Failure, occasion: Occasion, seconds: float, message_id: str) -> None:
    """An object that is not done with, but will be: the rest is the business of a fresh message, by this id."""
    left = {"result": "handed_over", "reason": str(failure.error.reason), "next_message_id": message_id}
    fields = {**_occasion_fields(occasion), **failure_fields(failure), **_times(occasion, seconds), **left}
    _say(logging.INFO, f"handed over: {failure.source}", fields)


def log_error(error: ReplicationError, occasion: Occasion | None = None) -> None:
    """A request or a message that came to nothing before it was clear which object it is about."""
    _say_failed(error, _occasion_fields(occasion) if occasion else {})


def log_unexpected(error: Exception) -> None:
    """An error that nobody foresaw, where nothing is known but the request."""
    _say_failed(unexpected(error), {})


def log_ignored(event: IgnoredEvent, occasion: Occasion) -> None:
    """An event that asks for nothing."""
    fields = {"result": "ignored", "reason": str(event.reason), "event": event.kind}
    _say(logging.INFO, f"ignored: {event.kind}", {**_occasion_fields(occasion), **fields})


def log_published(message_id: str, attributes: Mapping[str, str]) -> None:
    """An event that Pub/Sub has made durable, under the message id by which the other target names it."""
    fields = {"result": "published", "message_id": message_id, "bucket": attributes.get("bucket")}
    event = {"event": attributes.get("kind"), "event_id": attributes.get("event_id") or None}
    _say(logging.INFO, "published", {**fields, **event})


CALLERS_OWN = frozenset(
    {
        Reason.REQUEST_MALFORMED,
        Reason.TOKEN_MISSING,
        Reason.TOKEN_INVALID,
        Reason.TOKEN_EXPIRED,
        Reason.CALLER_NOT_ALLOWED,
        Reason.INGEST_SECRET_WRONG,
        Reason.BUCKET_NOT_IN_RULES,
        Reason.DESTINATION_NOT_FOUND,
        Reason.DESTINATION_FOREIGN,
        Reason.DESTINATION_MOVED,
    }
)
"""What a caller is told, and nobody else has to mend.

Anybody may call `ingest`; of a wrong secret that EventBridge sends, an alarm on the AWS side tells.
"""


def _say_failed(error: ReplicationError, about: Mapping[str, Any]) -> None:
    """A permanent failure and an unforeseen one need a person; a transient one is repaired by redelivery.

    Of the error behind it only its type: its text may hold anything.
    """
    permanent, cause = isinstance(error, Permanent), error.__cause__
    fields = {
        **about,
        "result": "failed",
        "reason": str(error.reason),
        "detail": error.detail or None,
        "permanent": permanent,
        "exception": type(cause).__name__ if cause else None,
    }
    if error.reason is Reason.UNEXPECTED and cause:
        frames = traceback.extract_tb(cause.__traceback__)
        fields["stack"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    needs_a_person = (permanent and error.reason not in CALLERS_OWN) or error.reason is Reason.UNEXPECTED
    _say(logging.ERROR if needs_a_person else logging.WARNING, f"failed: {error.reason}", fields)


def _say(level: int, message: str, fields: Mapping[str, Any]) -> None:
    said = {**current_scope().fields, **present(fields)}
    logger.log(level, message, extra={"json_fields": said})
    for record in _recorders:
        record(said)


def _occasion_fields(occasion: Occasion) -> dict[str, Any]:
    change = occasion.change
    return {
        "door": occasion.door,
        "event": change.kind if change else None,
        "event_id": change.event_id if change else None,
        "event_version_id": change.version_id if change else None,
        "sequencer": change.sequencer if change else None,
    }


def _times(occasion: Occasion, seconds: float) -> dict[str, Any]:
    occurred_at = occasion.change.occurred_at if occasion.change else None
    lag = max(0.0, (datetime.now(UTC) - occurred_at).total_seconds()) if occurred_at else None  # clocks differ
    return {"duration_seconds": round(seconds, 3), "lag_seconds": None if lag is None else round(lag, 3)}
