"""Cloud Storage's object resource, to and from our values (https://cloud.google.com/storage/docs/json_api/v1/objects)."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from replicator.errors import Transient
from replicator.model import Attributes, DestinationName, DestinationObject
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, decode, encode

FIELDS = "crc32c,customTime,generation,md5Hash,metadata,metageneration,size"
"""All that `destination_object` looks at."""


def new_resource(attributes: Attributes) -> dict[str, Any]:
    """For an object that is to be written. Its storage class is chosen then, and changed by a rewrite only
    (https://cloud.google.com/storage/docs/metadata); its name and KMS key are parameters of the request."""
    return resource_of(attributes) | {"storageClass": attributes.placement.storage_class}


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
    """The state in an answer. Raises `Transient` where it is none, as from a proxy in between."""
    try:
        return destination_object(name, json.loads(answer))
    except UNREADABLE:
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is no object resource") from None


def answered_page(bucket: str, answer: bytes) -> tuple[Sequence[DestinationObject], str | None]:
    """The objects in one page of a listing, and the token of the next page. Raises `Transient` where it is none."""
    try:
        page = json.loads(answer)
        objects = [destination_object(DestinationName(bucket, item["name"]), item) for item in page.get("items", [])]
        return objects, page.get("nextPageToken")
    except UNREADABLE:
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is no listing") from None


UNREADABLE = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""What reading something else than expected raises."""


LATEST = datetime.max.replace(tzinfo=UTC)


def _custom_time(text: str | None) -> datetime | None:
    """One that cannot be read, as somebody else may have set it, counts as the latest that there is: it cannot be moved
    back, and the object is written anew where that is wanted."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return LATEST
    return time if time.tzinfo else LATEST


def destination_object(name: DestinationName, resource: Mapping[str, Any]) -> DestinationObject:
    metadata = resource.get("metadata") or {}
    md5 = resource.get("md5Hash")
    return DestinationObject(
        name=name,
        generation=int(resource["generation"]),
        metageneration=int(resource["metageneration"]),
        size=int(resource["size"]),
        crc32c=base64.b64decode(resource["crc32c"]),
        md5=base64.b64decode(md5) if md5 else None,
        receipt=decode(metadata),
        custom_time=_custom_time(resource.get("customTime")),
        metadata=metadata,
    )
