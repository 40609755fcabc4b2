"""A bucket's retention policy: objects younger than its period can be neither deleted nor replaced."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from replicator.dev.cloud_storage.messages import ApiError
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord


def retained_until(bucket: BucketRecord, record: ObjectRecord) -> datetime | None:
    """None when the bucket has no policy. https://cloud.google.com/storage/docs/bucket-lock"""
    policy = bucket.settings.get("retentionPolicy")
    if not policy:
        return None
    return datetime.fromisoformat(record.time_created) + timedelta(seconds=int(policy["retentionPeriod"]))


def guard_retention(bucket: BucketRecord, record: ObjectRecord) -> None:
    """Raises ApiError (403)."""
    until = retained_until(bucket, record)
    if until is not None and datetime.now(UTC) < until:
        raise ApiError(
            403,
            "retentionPolicyNotMet",
            f"Object '{record.bucket}/{record.name}' is under the bucket's retention policy"
            f" and cannot be deleted or overwritten until {until.isoformat()}",
        )
