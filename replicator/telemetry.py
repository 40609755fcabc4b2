"""What the service says of itself: one structured line for each outcome, in Cloud Logging's format."""

import logging
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from google.cloud.logging_v2.handlers import StructuredLogHandler

from replicator.errors import Permanent, ReplicationError
from replicator.model import Change, Failure, IgnoredEvent, Outcome, SourceKey
from replicator.reasons import Reason

logger = logging.getLogger("replicator")


def configure(level: str, project: str | None) -> None:
    """Sends our lines to standard output as JSON, with the trace of the request they belong to.

    Libraries are heard from WARNING on, whatever `level` says: below that they print headers and session URIs.
    """
    handler = _Handler(stream=sys.stdout, project_id=project)  # type: ignore[no-untyped-call]
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its warnings quote URLs, and a session URI is a secret
    logger.setLevel(level)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why something was replicated: the door it came through, and the event if there was one.

    `delivery_attempt` counts Pub/Sub's deliveries of the message, where the subscription has a dead-letter policy.
    """

    door: str
    change: Change | None = None
    delivery_attempt: int | None = None


def log_outcome(outcome: Outcome, occasion: Occasion, seconds: float) -> None:
    """`seconds` is how long it took. The lag is from the event's time to now, when the outcome is durable."""
    fields = {
        **_occasion_fields(outcome.source, occasion),
        **outcome_fields(outcome),
        "duration_seconds": round(seconds, 3),
        "lag_seconds": _lag(occasion.change),
    }
    _log(logging.INFO, f"{outcome.result}: {outcome.source}", fields)


def log_failure(failure: Failure, occasion: Occasion, seconds: float) -> None:
    """A permanent failure needs a person; a transient one is expected to be repaired by redelivery."""
    if isinstance(failure.error.__cause__, Exception) and failure.error.reason is Reason.UNEXPECTED:
        log_unexpected(failure.error.__cause__, failure.source, occasion)
        return
    fields = {
        **failure_fields(failure),
        "duration_seconds": round(seconds, 3),
        "lag_seconds": _lag(occasion.change),
    }
    log_error(failure.error, occasion, failure.source, fields)


def log_error(
    error: ReplicationError, occasion: Occasion, source: SourceKey | None = None, about: Mapping[str, Any] | None = None
) -> None:
    """A request or a message that came to nothing, perhaps before it was clear which object it is about."""
    permanent = isinstance(error, Permanent)
    fields = {
        **_occasion_fields(source, occasion),
        **(about or {}),
        "result": "failed",
        "reason": str(error.reason),
        "detail": error.detail or None,
        "permanent": permanent,
    }
    _log(logging.ERROR if permanent else logging.WARNING, f"failed: {error.reason}", fields)


def log_ignored(event: IgnoredEvent, occasion: Occasion) -> None:
    """An event that asks for nothing."""
    fields = {**_occasion_fields(None, occasion), "result": "ignored", "reason": str(event.reason), "event": event.kind}
    _log(logging.INFO, f"ignored: {event.kind}", fields)


def log_published(message_id: str, attributes: dict[str, str]) -> None:
    """An event that Pub/Sub has made durable."""
    _log(logging.INFO, "published", {"result": "published", "message_id": message_id, **attributes})


def log_unexpected(error: Exception, source: SourceKey | None = None, occasion: Occasion | None = None) -> None:
    """Where an error that nobody foresaw came from. Its text stays out: it may hold anything."""
    about = _occasion_fields(source, occasion) if occasion else {}
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    fields = {"result": "failed", "reason": "unexpected", "kind": type(error).__name__, "stack": frames}
    _log(logging.ERROR, "failed: unexpected", {**about, **fields})


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """An outcome as logs and answers show it: what there is nothing to say of is left out."""
    fields = {
        "result": str(outcome.result),
        "reason": str(outcome.reason),
        "rule": outcome.rule,
        "source": str(outcome.source),
        "destination": str(outcome.destination) if outcome.destination else None,
        "generation": str(outcome.generation) if outcome.generation else None,
        "bytes": outcome.copied_bytes,
        "path": outcome.path,
        "checked": outcome.checked,
        "attempts": outcome.attempts,
        "version_id": outcome.version_id,
        "not_held": list(outcome.not_held) or None,
        "dry_run": outcome.dry_run or None,
    }
    return _present(fields)


def failure_fields(failure: Failure) -> dict[str, Any]:
    """A failure as logs and answers show it, beside the error itself."""
    fields = {
        "result": "failed",
        "rule": failure.rule,
        "source": str(failure.source),
        "destination": str(failure.destination) if failure.destination else None,
        "attempts": failure.attempts,
    }
    return _present(fields)


def _occasion_fields(source: SourceKey | None, occasion: Occasion) -> dict[str, Any]:
    change = occasion.change
    return {
        "door": occasion.door,
        "source": str(source) if source else None,
        "event": change.kind if change else None,
        "event_id": change.event_id if change else None,
        "event_version_id": change.version_id if change else None,
        "sequencer": change.sequencer if change else None,
        "delivery_attempt": occasion.delivery_attempt,
    }


def _lag(change: Change | None) -> float | None:
    """Never negative: clocks differ."""
    if change is None or change.occurred_at is None:
        return None
    return round(max(0.0, (datetime.now(UTC) - change.occurred_at).total_seconds()), 3)


def _log(level: int, message: str, fields: dict[str, Any]) -> None:
    logger.log(level, message, extra={"json_fields": _present(fields)})


def _present(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


class _Handler(StructuredLogHandler):
    """Leaves out what the library would add: the request's URL and headers, an error's text, and itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.http_request = {}
        record.exc_info = record.exc_text = None
        return bool(super().filter(record))

    def emit_instrumentation_info(self) -> None:
        """The library's line about its own version."""
