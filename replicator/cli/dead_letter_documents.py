"""What `dead-letters --json` prints of a message, and `discard --to` keeps of it."""

from base64 import b64encode
from datetime import datetime

from replicator.cli.documents import Document, error_fields, result_document
from replicator.dead_letters import Event, Inspection
from replicator.model import IgnoredEvent


def message_document(found: Inspection, now: datetime, **done: object) -> Document:
    """All of a message, so that it could be published again from this alone; `data` is in base64."""
    letter = found.letter
    return {
        "message_id": letter.message_id,
        "published_at": letter.published_at.isoformat(),
        "age_seconds": int((now - letter.published_at).total_seconds()),
        "delivery_attempts": letter.attempts,
        "mended": found.mended,
        "reasons": sorted({aspect.reason for aspect in found.aspects}),
        **(error_fields(found.malformed) if found.malformed else {}),
        "events": [_event_document(event) for event in found.events],
        **done,
        "attributes": dict(letter.attributes),
        "data": b64encode(letter.data).decode(),
    }


def _event_document(event: Event) -> Document:
    notice = event.notice
    if isinstance(notice, IgnoredEvent):
        asked = {"result": "ignored", "reason": str(notice.reason), "detail": notice.reason.explanation}
        return {"event": notice.kind, **asked}
    return {
        "event": notice.kind,
        "event_id": notice.event_id,
        "occurred_at": notice.occurred_at.isoformat() if notice.occurred_at else None,
        "source": str(notice.source),
        "outcomes": [result_document(result) for result in event.results],
    }
