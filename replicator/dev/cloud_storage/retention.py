"""Objects that can be neither deleted nor replaced: younger than their bucket's retention period, or on hold."""

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
    """Raises ApiError (403). https://cloud.google.com/storage/docs/object-holds"""
    for hold, kind in (("eventBasedHold", "Event-Based"), ("temporaryHold", "Temporary")):
        if record.attributes.get(hold):
            raise ApiError(
                403,
                "objectUnderActiveHold",
                f"Object '{record.bucket}/{record.name}' is under active {kind} hold"
                " and cannot be deleted or overwritten until hold is removed",
            )
    until = retained_until(bucket, record)
    if until is not None and datetime.now(UTC) < until:
        raise ApiError(
            403,
            "retentionPolicyNotMet",
            f"Object '{record.bucket}/{record.name}' is under the bucket's retention policy"
            f" and cannot be deleted or overwritten until {until.isoformat()}",
        )
