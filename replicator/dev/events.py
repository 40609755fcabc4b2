"""Events as S3 sends them to EventBridge. https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html"""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

from replicator.dev.clients import AWS_REGION
from replicator.dev.writes import Created, Write

ACCOUNT = "123456789012"
EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
"""MD5 of nothing: S3 names it as the ETag of a delete marker."""


def event_of(write: Write) -> dict[str, Any]:
    """The event for a write that has just happened. Keys are raw; times have S3's resolution of one second."""
    return build_event(write, str(uuid.uuid4()), datetime.now(UTC), f"{time.time_ns():016X}")


def build_event(write: Write, event_id: str, at: datetime, sequencer: str) -> dict[str, Any]:
    """Pure. A field that S3 leaves out, such as the version where a bucket has none, is left out here, too."""
    if isinstance(write, Created):
        kind, reason = "Object Created", write.reason
        described: dict[str, Any] = {"size": write.size, "etag": write.etag}
        deletion = {}
    else:
        kind, reason = "Object Deleted", "DeleteObject"
        described = {"etag": EMPTY_ETAG if write.marker else None}
        deletion = {"deletion-type": "Delete Marker Created" if write.marker else "Permanently Deleted"}
    fields = {"key": write.key, **described, "version-id": write.version_id, "sequencer": sequencer}
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
            "reason": reason,
            **deletion,
        },
    }
