"""S3's events as EventBridge delivers them. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

from typing import TypeGuard

from replicator.events.fields import JsonObject, malformed, moment, optional_text, present, text, version_id
from replicator.model import Change, IgnoredEvent, Notice, SourceKey
from replicator.reasons import Reason

# S3 sends every type there is to EventBridge, and new ones without asking: only these can change what we replicate.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/EventBridge.html
CHANGES = frozenset(
    {
        "Object Created",
        "Object Deleted",
        "Object Restore Completed",
        "Object Storage Class Changed",
        "Object Tags Added",
        "Object Tags Deleted",
    }
)


def recognises(document: object) -> TypeGuard[JsonObject]:
    """Whether this is an EventBridge event, of any service."""
    return isinstance(document, dict) and "detail-type" in document


def read(event: JsonObject) -> Notice:
    """What an EventBridge event says. Raises `Permanent(EVENT_MALFORMED)`.

    Another service's event is well-formed and none of our business, as is a type of event that is not in `CHANGES`:
    of both, only the type is read. "Object Deleted" is a change whatever its `deletion-type` is.
    """
    kind = text(event["detail-type"], "the detail-type")
    if text(event.get("source"), "the source") != "aws.s3" or kind not in CHANGES:
        return IgnoredEvent(kind, Reason.EVENT_TYPE_IGNORED)
    match event:
        case {"detail": {"bucket": {"name": bucket}, "object": {"key": key, **described}}}:
            return Change(
                # The key is as it is in S3: unlike in a notification, nothing in it is encoded.
                source=SourceKey(text(bucket, "the bucket's name"), text(key, "the object's key")),
                kind=kind,
                occurred_at=moment(event.get("time")),
                event_id=optional_text(event.get("id")),
                version_id=version_id(described.get("version-id")),
                sequencer=optional_text(described.get("sequencer")),
            )
    raise malformed("the EventBridge event names no bucket and object")


def write(change: Change) -> JsonObject:
    """The event that `read` makes `change` of. Its kind is one of `CHANGES`."""
    described = {"key": change.source.key, "version-id": change.version_id, "sequencer": change.sequencer}
    return present(
        {
            "version": "0",
            "id": change.event_id,
            "detail-type": change.kind,
            "source": "aws.s3",
            "time": change.occurred_at.isoformat() if change.occurred_at else None,
            "detail": {"version": "0", "bucket": {"name": change.source.bucket}, "object": present(described)},
        }
    )
