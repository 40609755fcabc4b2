"""What adapters find out, for the judgements. Nothing here judges, and nothing here holds a secret."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto

from replicator.errors import ReplicationError


@dataclass(frozen=True, slots=True)
class Unread:
    """What could not be looked at, and why. `permission` is what was missing, if it was one."""

    why: str
    permission: str | None = None


@dataclass(frozen=True, slots=True)
class Notifications:
    """Where a bucket's events go. `others` are the ARNs of queues, topics and functions."""

    eventbridge: bool
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedObject:
    """What became of the service's requests for one object; `None` is success.

    `kms_key` is the key that its bytes are encrypted with, as far as S3 said; `by_version` was tried only where there
    is a version.
    """

    key: str
    version_id: str | None = None
    kms_key: str | None = None
    read: ReplicationError | None = None
    by_version: ReplicationError | None = None
    tags: ReplicationError | None = None
    parts: ReplicationError | None = None


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """A source bucket. `tried` is `None` where there is no object to try."""

    bucket: str
    region: str | None = None
    listed: ReplicationError | None = None
    tried: TriedObject | None = None
    notifications: Notifications | Unread = Notifications(True)
    default_kms_key: str | Unread | None = None
    requester_pays: bool | Unread = False


@dataclass(frozen=True, slots=True)
class LifecycleRule:
    """What of a lifecycle rule that deletes matters here. `age` is in days; no prefixes mean all objects."""

    age: int | None = None
    prefixes: tuple[str, ...] = ()
    noncurrent: bool = False


@dataclass(frozen=True, slots=True)
class BucketSettings:
    """A destination bucket as its owner made it. Times are in seconds."""

    location: str
    storage_class: str = "STANDARD"
    autoclass: bool = False
    versioning: bool = False
    soft_delete: int = 0
    retention: int | None = None
    retention_locked: bool = False
    default_hold: bool = False
    uniform_access: bool = True
    deletions: tuple[LifecycleRule, ...] = ()


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    bucket: str
    missing: frozenset[str] | ReplicationError = frozenset()
    settings: BucketSettings | Unread = field(default_factory=lambda: BucketSettings("US"))


@dataclass(frozen=True, slots=True)
class Rotation:
    """How Secret Manager reminds of a new version: how often, on which topics, and whose subscriptions get that."""

    period: int | None = None
    topics: tuple[str, ...] = ()
    subscriptions: tuple[str, ...] | Unread = ()


class Refusal(Enum):
    """Why Secret Manager gives no payload: it is not allowed, there is no such secret, or none that counts in it."""

    DENIED = auto()
    ABSENT = auto()
    EMPTY = auto()


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A secret with AWS keys. Where it is `unreadable` without a `refusal`, it may be read another time."""

    resource: str
    unreadable: str | None = None
    refusal: Refusal | None = None
    unsound: str | None = None
    created: datetime | Unread = Unread("it was not asked for")
    rotation: Rotation | Unread = Rotation()


Grants = frozenset[tuple[str, str]]
"""Pairs of a role and a member, as an IAM policy has them."""


@dataclass(frozen=True, slots=True)
class DeadLetterFacts:
    """Where dead letters go: who may publish there, and which subscriptions keep them."""

    topic: str
    attempts: int
    grants: Grants | Unread = frozenset()
    subscriptions: tuple[str, ...] | Unread = ()


@dataclass(frozen=True, slots=True)
class SubscriptionFacts:
    """Times are in seconds; without `backoff` messages are redelivered at once, without `expires` it never does."""

    name: str
    topic: str
    active: bool = True
    endpoint: str | None = None
    account: str | None = None
    audience: str | None = None
    ack_deadline: int = 10
    backoff: tuple[float, float] | None = None
    expires: float | None = None
    dead_letters: DeadLetterFacts | None = None
    grants: Grants | Unread = frozenset()
