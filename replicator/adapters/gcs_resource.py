"""Cloud Storage's object resource, to and from our values (https://cloud.google.com/storage/docs/json_api/v1/objects)."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from replicator.model import Attributes, DestinationName, DestinationObject
from replicator.receipt import METADATA_KEY, decode, encode


def resource_of(attributes: Attributes) -> dict[str, Any]:
    """Every property that we manage, with `None` where there is nothing: a patch then removes it."""
    headers = attributes.headers
    return {
        "contentType": headers.content_type or "application/octet-stream",
        "contentEncoding": headers.content_encoding,
        "contentDisposition": headers.content_disposition,
        "contentLanguage": headers.content_language,
        "cacheControl": headers.cache_control,
        "customTime": attributes.custom_time.isoformat(),
        "metadata": {**attributes.metadata, METADATA_KEY: encode(attributes.receipt)},
    }


def destination_object(name: DestinationName, resource: Mapping[str, Any]) -> DestinationObject:
    """The state in an object resource, as the JSON API answers it."""
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
