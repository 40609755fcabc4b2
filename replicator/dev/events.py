"""Events as S3 sends them to EventBridge. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from replicator.dev.clients import AWS_REGION
from replicator.dev.writes import Created, Deleted, Tagged, Write

ACCOUNT = "123456789012"
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
"""MD5 of nothing: S3 names it as the ETag of a delete marker."""


def event_of(write: Write) -> dict[str, Any]:
    """The event for a write that has just happened. Keys are raw; times have S3's resolution of one second."""
    return build_event(write, str(uuid.uuid4()), datetime.now(UTC), f"{time.time_ns():016X}")


def build_event(write: Write, event_id: str, at: datetime, sequencer: str) -> dict[str, Any]:
    """Pure. A field that S3 leaves out, such as the version where a bucket has none, is left out here, too."""
    kind, described, detail = _particulars(write, sequencer)
    fields = {"key": write.key, **described, "version-id": write.version_id}
    return {
        "version": "0",
        "id": event_id,
        "detail-type": kind,
        "source": "aws.s3",
        "account": ACCOUNT,
        "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": AWS_REGION,
        "resources": [f"arn:aws:s3:::{write.bucket}"],
        "detail": {
            "version": "0",
            "bucket": {"name": write.bucket},
            "object": {name: value for name, value in fields.items() if value is not None},
            "request-id": write.request_id,
            "requester": ACCOUNT,
            "source-ip-address": "127.0.0.1",
            **detail,
        },
    }


def _particulars(write: Write, sequencer: str) -> tuple[str, Mapping[str, object], Mapping[str, str]]:
    """The type of event, and what only this type says of the object and beside it."""
    match write:
        case Created(reason=reason, size=size, etag=etag):
            return "Object Created", {"size": size, "etag": etag, "sequencer": sequencer}, {"reason": reason}
        case Deleted(marker=marker):
            detail = {
                "reason": "DeleteObject",
                "deletion-type": "Delete Marker Created" if marker else "Permanently Deleted",
            }
            return "Object Deleted", {"etag": EMPTY_ETAG if marker else None, "sequencer": sequencer}, detail
        case Tagged(added=added, etag=etag):
            return "Object Tags Added" if added else "Object Tags Deleted", {"etag": etag}, {}
