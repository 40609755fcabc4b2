"""What is known about a bucket and about one generation of an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from replicator.dev.cloud_storage.attributes import Attributes


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """`settings` holds the fields its creator chose: location, versioning, retentionPolicy and others."""

    name: str
    time_created: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    metageneration: int = 1


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One generation of an object, without its bytes. Checksums are in base64, times in RFC 3339.

    Only a noncurrent one has a `time_deleted`.
    """

    bucket: str
    name: str
    generation: int
    time_created: str
    size: int
    crc32c: str
    md5: str | None
    component_count: int | None
    attributes: Attributes
    updated: str
    metageneration: int = 1
    time_deleted: str | None = None


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """An object's address; `generation` None means the live one."""

    bucket: str
    name: str
    generation: int | None = None


def format_time(generation: int) -> str:
    """Generations are microseconds since 1970, so one reading of the clock gives both."""
    return datetime.fromtimestamp(generation / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
