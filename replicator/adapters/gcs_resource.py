"""Cloud Storage's object resource, to and from our values (https://cloud.google.com/storage/docs/json_api/v1/objects)."""

import base64
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from replicator.errors import Transient
from replicator.model import Attributes, DestinationName, DestinationObject
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, decode, encode


def new_resource(name: DestinationName, attributes: Attributes) -> dict[str, Any]:
    """For an object that is to be written. Its storage class is chosen then, and changed by a rewrite only
    (https://cloud.google.com/storage/docs/metadata); the KMS key is a parameter of the request."""
    return resource_of(attributes) | {"name": name.name, "storageClass": attributes.placement.storage_class}


def resource_of(attributes: Attributes) -> dict[str, Any]:
    """Every property that we manage, with `None` where there is nothing: a patch then removes it."""
    headers = attributes.headers
    return {
        "contentType": headers.content_type or "application/octet-stream",
        "contentEncoding": headers.content_encoding,
        "contentDisposition": headers.content_disposition,
        "contentLanguage": headers.content_language,
        "cacheControl": headers.cache_control,
        "customTime": attributes.custom_time.isoformat() if attributes.custom_time else None,
        "metadata": dict(attributes.metadata)
        | ({METADATA_KEY: encode(attributes.receipt)} if attributes.receipt else {}),
    }


def answered_object(name: DestinationName, answer: bytes) -> DestinationObject:
    """The state in the answer to a write. Raises `Transient` where it is none, as from a proxy in between."""
    try:
        resource = json.loads(answer)
    except (ValueError, RecursionError):
        raise _unreadable() from None
    return destination_object(name, resource)


def destination_object(name: DestinationName, resource: Mapping[str, Any]) -> DestinationObject:
    """The state in an object resource, as the JSON API answers it. Raises `Transient` where it is none."""
    try:
        return _destination_object(name, resource)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _unreadable() from None


def _unreadable() -> Transient:
    return Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is no object resource")


def _destination_object(name: DestinationName, resource: Mapping[str, Any]) -> DestinationObject:
    metadata = resource.get("metadata") or {}
    custom_time = resource.get("customTime")
    md5 = resource.get("md5Hash")
    return DestinationObject(
        name=name,
        generation=int(resource["generation"]),
        metageneration=int(resource["metageneration"]),
        size=int(resource["size"]),
        crc32c=base64.b64decode(resource["crc32c"]),
        md5=base64.b64decode(md5) if md5 else None,
        receipt=decode(metadata),
        custom_time=datetime.fromisoformat(custom_time) if custom_time else None,
        metadata=metadata,
    )
