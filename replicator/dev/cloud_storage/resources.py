"""Records as the JSON API shows them: https://cloud.google.com/storage/docs/json_api/v1/objects#resource."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from replicator.dev.cloud_storage.messages import JsonObject, invalid
from replicator.dev.cloud_storage.names import check_bucket_name
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord, format_time
from replicator.dev.cloud_storage.retention import retained_until

_BUCKET_SETTINGS = (
    "autoclass",
    "defaultEventBasedHold",
    "iamConfiguration",
    "labels",
    "lifecycle",
    "location",
    "retentionPolicy",
    "softDeletePolicy",
    "storageClass",
    "versioning",
)
_SOFT_DELETE_DAYS = 7  # the default: https://cloud.google.com/storage/docs/soft-delete


def new_bucket(resource: JsonObject, microseconds: int) -> BucketRecord:
    """The bucket that an insert request describes. Raises ApiError (400)."""
    now = format_time(microseconds)
    defaults: dict[str, Any] = {
        "location": "US",
        "storageClass": "STANDARD",
        "softDeletePolicy": {"retentionDurationSeconds": str(_SOFT_DELETE_DAYS * 86400), "effectiveTime": now},
    }
    chosen = {name: resource[name] for name in _BUCKET_SETTINGS if resource.get(name) is not None}
    if "retentionPolicy" in chosen:
        period = str(chosen["retentionPolicy"].get("retentionPeriod"))
        if not period.isdigit():
            raise invalid(f"Invalid value for retentionPeriod: {period!r}")
        chosen["retentionPolicy"] = {"retentionPeriod": period, "effectiveTime": now}
    return BucketRecord(check_bucket_name(resource.get("name")), now, {**defaults, **chosen})


def bucket_resource(bucket: BucketRecord, base_url: str) -> JsonObject:
    return {
        "kind": "storage#bucket",
        "id": bucket.name,
        "name": bucket.name,
        "selfLink": f"{base_url}/storage/v1/b/{bucket.name}",
        "timeCreated": bucket.time_created,
        "updated": bucket.time_created,
        "metageneration": str(bucket.metageneration),
        "etag": _etag(bucket.metageneration),
        **bucket.settings,
    }


def object_resource(record: ObjectRecord, bucket: BucketRecord, base_url: str) -> JsonObject:
    path = f"storage/v1/b/{record.bucket}/o/{quote(record.name, safe='')}"
    resource: JsonObject = {
        "kind": "storage#object",
        "id": f"{record.bucket}/{record.name}/{record.generation}",
        "selfLink": f"{base_url}/{path}",
        "mediaLink": f"{base_url}/download/{path}?generation={record.generation}&alt=media",
        "name": record.name,
        "bucket": record.bucket,
        "generation": str(record.generation),
        "metageneration": str(record.metageneration),
        "size": str(record.size),
        "crc32c": record.crc32c,
        "etag": object_etag(record),
        "timeCreated": record.time_created,
        "updated": record.updated,
        "timeStorageClassUpdated": record.time_created,
        "timeFinalized": record.time_created,
        **record.attributes,
    }
    if record.md5 is not None:
        resource["md5Hash"] = record.md5
    if record.component_count is not None:
        resource["componentCount"] = record.component_count
    if record.time_deleted is not None:
        resource["timeDeleted"] = record.time_deleted
    until = retained_until(bucket, record)
    if until is not None:
        resource["retentionExpirationTime"] = until.isoformat()
    return resource


def object_etag(record: ObjectRecord) -> str:
    """Changes with the generation and with the metageneration."""
    return _etag(record.generation, record.metageneration)


def _etag(*numbers: int) -> str:
    return base64.b64encode("/".join(map(str, numbers)).encode()).decode()
