"""The fields of an object that its writer chooses: what may be set when it is created, and changed later."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from replicator.dev.cloud_storage.messages import JsonObject, invalid

Attributes = Mapping[str, Any]

_EDITABLE = ("cacheControl", "contentDisposition", "contentEncoding", "contentLanguage", "contentType", "customTime")
_HOLDS = ("eventBasedHold", "temporaryHold")
_FIXED = ("kmsKeyName", "storageClass")  # chosen once, changed only by a rewrite
_KMS_KEY = re.compile("projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+(/cryptoKeyVersions/[0-9]+)?")
_STORAGE_CLASSES = frozenset(  # https://cloud.google.com/storage/docs/storage-classes, the older ones too
    {"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY"}
)
_CUSTOM_METADATA_LIMIT = 8 * 1024  # keys and values together: https://cloud.google.com/storage/quotas#objects


def chosen(resource: JsonObject) -> Attributes:
    """The attributes of a new object. Raises ApiError (400)."""
    attributes = {name: resource[name] for name in (*_EDITABLE, *_HOLDS, *_FIXED) if resource.get(name) is not None}
    metadata = _merged({}, resource.get("metadata"))
    return _checked({**attributes, **({"metadata": metadata} if metadata else {})})


def patched(current: Attributes, patch: JsonObject) -> Attributes:
    """PATCH: what is named changes, null removes it, what is not named stays. Raises ApiError (400)."""
    attributes = {**current, **{name: patch[name] for name in (*_EDITABLE, *_HOLDS) if name in patch}}
    if "metadata" in patch:
        attributes["metadata"] = _merged(current.get("metadata", {}), patch["metadata"]) or None
    result = _checked({name: value for name, value in attributes.items() if value is not None})
    _keep_custom_time(current, result)
    return result


def replaced(current: Attributes, resource: JsonObject) -> Attributes:
    """PUT: everything editable is as the resource says, or gone. Raises ApiError (400)."""
    fixed = {name: current[name] for name in _FIXED if name in current}
    editable = chosen({name: value for name, value in resource.items() if name not in _FIXED})
    _keep_custom_time(current, editable)
    return {**editable, **fixed}


def _merged(current: Mapping[str, str], changes: object) -> dict[str, str]:
    if changes is None:
        return {}
    if not isinstance(changes, dict) or not all(isinstance(value, str | None) for value in changes.values()):
        raise invalid("metadata must map text to text")
    return {key: value for key, value in {**current, **changes}.items() if value is not None}


def _checked(attributes: JsonObject) -> Attributes:
    for name in (*_EDITABLE, *_FIXED):
        if not isinstance(attributes.get(name, ""), str):
            raise invalid(f"Invalid value for {name}: {attributes[name]!r}")
    for name in _HOLDS:
        if not isinstance(attributes.get(name, False), bool):
            raise invalid(f"Invalid value for {name}: {attributes[name]!r}")
    if attributes.get("storageClass", "STANDARD") not in _STORAGE_CLASSES:
        raise invalid(f"Invalid value for storageClass: {attributes['storageClass']!r}")
    if "kmsKeyName" in attributes and not _KMS_KEY.fullmatch(attributes["kmsKeyName"]):
        raise invalid(f"Invalid value for kmsKeyName: {attributes['kmsKeyName']!r}")
    if "customTime" in attributes:
        _parse_time(attributes["customTime"])
    metadata: Mapping[str, str] = attributes.get("metadata", {})
    size = sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items())
    if size > _CUSTOM_METADATA_LIMIT:
        raise invalid(f"The custom metadata has {size} bytes; {_CUSTOM_METADATA_LIMIT} are allowed")
    return attributes


def _keep_custom_time(current: Attributes, changed: Attributes) -> None:
    """Once set, customTime stays or moves later: https://cloud.google.com/storage/docs/metadata#custom-time."""
    if "customTime" not in current:
        return
    if "customTime" not in changed or _parse_time(changed["customTime"]) < _parse_time(current["customTime"]):
        raise invalid("customTime cannot be removed or set to an earlier time")


def _parse_time(text: str) -> datetime:
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise invalid(f"Invalid value for customTime: {text!r}") from error
    if parsed.tzinfo is None:
        raise invalid(f"customTime needs an offset from UTC: {text!r}")
    return parsed
