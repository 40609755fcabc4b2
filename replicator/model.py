"""The values everything else speaks in. They are frozen, and know no SDK and no HTTP."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from replicator.errors import ReplicationError
from replicator.reasons import Reason

MAX_KEY_BYTES = 1024
"""Longest key in S3, in UTF-8 bytes (https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html)."""


@dataclass(frozen=True, slots=True)
class SourceKey:
    """Where a source object lives in S3."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class DestinationName:
    """Where a destination object lives in Cloud Storage."""

    bucket: str
    name: str

    def __str__(self) -> str:
        return f"gs://{self.bucket}/{self.name}"


@dataclass(frozen=True, slots=True)
class Change:
    """A hint that a source object may have changed, with when and why. Never the truth."""

    source: SourceKey
    kind: str
    occurred_at: datetime | None = None
    event_id: str | None = None
    version_id: str | None = None
    sequencer: str | None = None


@dataclass(frozen=True, slots=True)
class IgnoredEvent:
    """An event that asks for nothing, and why."""

    kind: str
    reason: Reason


Notice = Change | IgnoredEvent
"""What one event says: look at this object, or nothing."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message whose delivery Pub/Sub gave up, as somebody holds it for now.

    `handle` is good for this holding only. `data` and `attributes` are those that were published, at `published_at`; a
    replay is published anew. `attempts` counts the deliveries, where that is known.
    """

    handle: str
    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class ContentHeaders:
    """The HTTP headers that both sides keep with an object."""

    content_type: str | None = None
    content_encoding: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    cache_control: str | None = None


@dataclass(frozen=True, slots=True)
class Checksum:
    """A checksum over a whole object: S3's name of the algorithm (`CRC64NVME`, `MD5`, …) and its raw bytes."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class CompositeChecksum:
    """A checksum over the checksums of an object's consecutive parts, as S3 makes it for a multipart upload.

    `digest` is that of the parts' digests, joined. Each part has `part_size` bytes; the last may have fewer.
    """

    algorithm: str
    digest: bytes
    part_size: int


class NotHeld(StrEnum):
    """What S3 has with an object and its replica does not, or not all of it (docs/fidelity.md)."""

    EXPIRES = "expires"
    OBJECT_LOCK = "object-lock"
    TAGS = "tags"
    USER_METADATA = "user-metadata"
    WEBSITE_REDIRECT = "website-redirect"


@dataclass(frozen=True, slots=True)
class SourceObject:
    """What S3 says an object is now. An absent object is `None`.

    `version_id` is `None` where the bucket has no versions; S3's literal "null" version counts as none.
    `checksum` is one that covers the whole object and that we can compute, or `None`; `md5` is known of some objects
    beside it. `parts_checksum` is known of objects without one: it covers the checksums of the parts that the object
    was uploaded in, whose sizes are another question (`Source.checksum`).
    `last_modified` has S3's resolution of one second. `not_held` names what is not in these values, since it cannot be
    read or is not carried; more may find no room in Cloud Storage (`fidelity.not_held`).
    """

    key: SourceKey
    etag: str
    version_id: str | None
    last_modified: datetime
    size: int
    headers: ContentHeaders = ContentHeaders()
    metadata: Mapping[str, str] = field(default_factory=dict)
    checksum: Checksum | None = None
    parts_checksum: Checksum | None = None
    md5: bytes | None = None
    storage_class: str = "STANDARD"
    archived: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    expires: str | None = None
    website_redirect: str | None = None
    not_held: tuple[NotHeld, ...] = ()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Our record in a destination object: which source state it holds, and which check its bytes passed.

    `metadata_digest` covers headers, user metadata, tags, expiry and website redirect: S3 keeps the ETag when only
    metadata changes, within one second the last-modified time too, and with a change of tags always.
    """

    source: SourceKey
    etag: str
    version_id: str | None
    last_modified: datetime
    size: int
    metadata_digest: str
    checked: str


@dataclass(frozen=True, slots=True)
class DestinationObject:
    """What Cloud Storage says an object is now. An absent object is `None`; its generation counts as 0.

    `crc32c` and `md5` are raw digests; composed objects have no MD5. `metadata` is all of the custom metadata, as
    stored.
    """

    name: DestinationName
    generation: int
    metageneration: int
    size: int
    crc32c: bytes
    md5: bytes | None = None
    receipt: Receipt | None = None
    custom_time: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placement:
    """How Cloud Storage is to keep an object: storage class and KMS key name; `None` leaves it to the bucket."""

    storage_class: str | None = None
    kms_key: str | None = None


@dataclass(frozen=True, slots=True)
class Attributes:
    """All we write beside the bytes. The placement counts when the bytes are written, and not for metadata alone.

    A replica has a custom time and a receipt, a temporary object neither.
    """

    headers: ContentHeaders
    metadata: Mapping[str, str]
    custom_time: datetime | None = None
    receipt: Receipt | None = None
    placement: Placement = field(default_factory=Placement)


@dataclass(frozen=True, slots=True)
class BucketFacts:
    """What of a destination bucket decides whether temporary objects may be made in it.

    `storage_class` is the default one. `retains` says that objects cannot be deleted at will: there is a retention
    policy, or new objects are put on hold.
    """

    storage_class: str
    versioning: bool = False
    retains: bool = False


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """AWS credentials. Only the id may ever be shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


class Result(StrEnum):
    """What happened to the destination."""

    CREATED = "created"
    UPDATED = "updated"
    METADATA_UPDATED = "metadata_updated"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    KEPT = "kept"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened, and why.

    `copied_bytes` counts what this attempt made visible; `path` names how the bytes were moved, and `path_reason` what
    decided that; `checked` names the source's own checksum that they were compared with, `none` where S3 has none, or
    none that can be computed on this path.
    `version_id` is that of the source state the destination was made equal to, and `not_held` what of that state a
    replica cannot hold. A `dry_run` says what would have happened; nothing was written.
    """

    result: Result
    reason: Reason
    source: SourceKey
    destination: DestinationName | None = None
    rule: str | None = None
    generation: int | None = None
    copied_bytes: int = 0
    path: str | None = None
    path_reason: str | None = None
    checked: str | None = None
    attempts: int = 1
    version_id: str | None = None
    not_held: tuple[NotHeld, ...] = ()
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """What prevented one destination of a source object from becoming equal to it."""

    error: ReplicationError
    source: SourceKey
    destination: DestinationName | None = None
    rule: str | None = None
    attempts: int = 1
