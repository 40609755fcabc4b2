"""Compares two buckets through their own interfaces, byte for byte, trusting no checksum and no receipt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.cloud.storage import Blob, Client

from replicator.receipt import METADATA_KEY, decode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, slots=True)
class Difference:
    """One object, and what is not equal about it."""

    key: str
    what: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much was compared, and what differs."""

    objects: int
    bytes: int
    differences: tuple[Difference, ...]


def compare(s3: "S3Client", source: str, client: Client, destination: str) -> Comparison:
    """Compares every object of the bucket `source` with the one of the same name in `destination`, both ways."""
    keys = set(_keys(s3, source))
    blobs = {blob.name: blob for blob in client.list_blobs(destination)}
    differences = [Difference(name, "exists only in the destination") for name in sorted(blobs.keys() - keys)]
    compared = 0
    for key in sorted(keys):
        if key not in blobs:
            differences.append(Difference(key, "is missing in the destination"))
            continue
        response = s3.get_object(Bucket=source, Key=key)
        body = response["Body"].read()
        compared += len(body)
        if body != blobs[key].download_as_bytes(raw_download=True, checksum=None):
            differences.append(Difference(key, "has other bytes"))
        differences += [Difference(key, what) for what in _different_attributes(response, blobs[key])]
    return Comparison(len(keys), compared, tuple(differences))


def _keys(s3: "S3Client", bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def _different_attributes(response: Mapping[str, Any], blob: Blob) -> Iterator[str]:
    for header in ("content_type", "content_encoding", "content_disposition", "content_language", "cache_control"):
        if response.get(header.title().replace("_", "")) != getattr(blob, header):
            yield f"has another {header.replace('_', ' ')}"
    metadata = blob.metadata or {}
    if response["Metadata"] != {name: value for name, value in metadata.items() if name != METADATA_KEY}:
        yield "has other user metadata"
    receipt = decode(metadata)
    if receipt is None or receipt.etag != response["ETag"].strip('"'):
        yield "has a receipt for another state, or none"
