"""S3's own notifications, as it sends them to SNS, SQS and Lambda: one of the `Records`, or the test event.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

from typing import TypeGuard
from urllib.parse import quote_plus, unquote_plus

from replicator.events.fields import JsonObject, malformed, moment, optional_text, present, text, version_id
from replicator.model import MAX_KEY_BYTES, Change, IgnoredEvent, Notice, SourceKey
from replicator.reasons import Reason

# The counterparts of `eventbridge.CHANGES`. A name is a family and a member, or a family that has no members.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html
CHANGING_FAMILIES = frozenset(
    {"ObjectCreated", "ObjectRemoved", "ObjectTagging", "LifecycleExpiration", "LifecycleTransition"}
)
CHANGES = frozenset({"ObjectRestore:Completed"})

TEST_EVENT = "s3:TestEvent"

MAX_ENCODED_KEY = 3 * MAX_KEY_BYTES
"""`%20` for each byte. Decoding takes up to 200 times the memory of what it decodes."""


def recognises(document: object) -> TypeGuard[JsonObject]:
    """Whether this is one of S3's records, or its test event."""
    return isinstance(document, dict) and ("s3" in document or document.get("Event") == TEST_EVENT)


def read(record: JsonObject) -> Notice:
    """What a record says. Raises `Permanent(EVENT_MALFORMED)`. Of a type that is ignored, only the name is read."""
    if record.get("Event") == TEST_EVENT:
        return IgnoredEvent(TEST_EVENT, Reason.TEST_EVENT)
    # Subscriptions name events with the prefix, and S3 sends them without it; some that imitate S3 send it, too.
    kind = text(record.get("eventName"), "the eventName").removeprefix("s3:")
    if kind not in CHANGES and kind.partition(":")[0] not in CHANGING_FAMILIES:
        return IgnoredEvent(kind, Reason.EVENT_TYPE_IGNORED)
    match record:
        case {"s3": {"bucket": {"name": bucket}, "object": {"key": key, **described}}}:
            return Change(
                source=SourceKey(text(bucket, "the bucket's name"), _key(key)),
                kind=kind,
                occurred_at=moment(record.get("eventTime")),
                event_id=_request_id(record),
                version_id=version_id(described.get("versionId")),
                sequencer=optional_text(described.get("sequencer")),
            )
    raise malformed("the S3 record names no bucket and object")


def write(change: Change) -> JsonObject:
    """The record that `read` makes `change` of. Its kind is one of `CHANGES` or of a family of `CHANGING_FAMILIES`."""
    described = {
        "key": quote_plus(change.source.key),
        "versionId": change.version_id,
        "sequencer": change.sequencer,
    }
    return present(
        {
            "eventName": change.kind,
            "eventTime": change.occurred_at.isoformat() if change.occurred_at else None,
            "responseElements": {"x-amz-request-id": change.event_id} if change.event_id else None,
            "s3": {"bucket": {"name": change.source.bucket}, "object": present(described)},
        }
    )


def _key(encoded: object) -> str:
    """The key, which notifications carry as in a form: "red flower.jpg" becomes "red+flower.jpg"."""
    if not (isinstance(encoded, str) and len(encoded) <= MAX_ENCODED_KEY):
        raise malformed(f"the object's key is not a string of at most {MAX_ENCODED_KEY} characters")
    try:
        return text(unquote_plus(encoded, errors="strict"), "the object's key")
    except UnicodeDecodeError:
        raise malformed("the object's key is not URL-encoded UTF-8") from None


def _request_id(record: JsonObject) -> str | None:
    """Notifications have no id. The request's is what AWS can trace; the records of one batch delete share it."""
    match record:
        case {"responseElements": {"x-amz-request-id": request_id}}:
            return optional_text(request_id)
    return None
