"""Looks at destination buckets: the caller's permissions, and the settings that cost or forbid something.

https://cloud.google.com/storage/docs/json_api/v1/buckets#resource
"""

import json
from typing import Any

from replicator.adapters.gcs import NEEDED_PERMISSIONS
from replicator.adapters.gcs_requests import JsonApi, query
from replicator.doctor.facts import BucketSettings, DestinationFacts, LifecycleRule, Unread
from replicator.errors import ReplicationError, Transient
from replicator.reasons import Reason

FIELDS = (
    "autoclass/enabled,defaultEventBasedHold,iamConfiguration/uniformBucketLevelAccess/enabled,lifecycle,location,"
    "retentionPolicy(isLocked,retentionPeriod),softDeletePolicy/retentionDurationSeconds,storageClass,versioning/enabled"
)
UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, RecursionError)


def look_at(api: JsonApi, bucket: str) -> DestinationFacts:
    """What is refused, or gets no answer, is part of the facts."""
    try:
        missing: frozenset[str] | ReplicationError = _missing(api, bucket)
    except ReplicationError as error:
        missing = error
    try:
        settings: BucketSettings | Unread = _settings(api, bucket)
    except ReplicationError as error:
        denied = error.reason is Reason.DESTINATION_ACCESS_DENIED
        settings = Unread(error.reason.explained(error.detail).rstrip("."), "storage.buckets.get" if denied else None)
    return DestinationFacts(bucket, missing, settings)


def _missing(api: JsonApi, bucket: str) -> frozenset[str]:
    asked = "&".join(f"permissions={permission}" for permission in NEEDED_PERMISSIONS)
    found = _document(api, api.bucket_url(bucket, f"/iam/testPermissions?{asked}"))
    return frozenset(NEEDED_PERMISSIONS) - frozenset(found.get("permissions", ()))


def _settings(api: JsonApi, bucket: str) -> BucketSettings:
    found = _document(api, api.bucket_url(bucket, query({"fields": FIELDS})))
    try:
        return _read(found)
    except UNREADABLE:
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is no bucket resource") from None


def _read(found: Any) -> BucketSettings:
    retention = found.get("retentionPolicy", {})
    return BucketSettings(
        location=found["location"],
        storage_class=found["storageClass"],
        autoclass=found.get("autoclass", {}).get("enabled", False),
        versioning=found.get("versioning", {}).get("enabled", False),
        soft_delete=int(found.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0)),
        retention=int(retention["retentionPeriod"]) if retention else None,
        retention_locked=retention.get("isLocked", False),
        default_hold=found.get("defaultEventBasedHold", False),
        uniform_access=found.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("enabled", False),
        deletions=tuple(
            _deletion(rule["condition"])
            for rule in found.get("lifecycle", {}).get("rule", ())
            if rule["action"]["type"] == "Delete"
        ),
    )


def _deletion(condition: Any) -> LifecycleRule:
    """Conditions that only noncurrent versions meet: https://cloud.google.com/storage/docs/lifecycle#conditions."""
    noncurrent = condition.get("isLive") is False or any(
        name in condition for name in ("daysSinceNoncurrentTime", "noncurrentTimeBefore", "numNewerVersions")
    )
    return LifecycleRule(condition.get("age"), tuple(condition.get("matchesPrefix", ())), noncurrent)


def _document(api: JsonApi, url: str) -> Any:
    try:
        found = json.loads(api.send("GET", url).data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is no JSON object")
    return found
