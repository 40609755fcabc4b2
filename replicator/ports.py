"""What the core needs of the world. Every implementation passes the contract suite in tests/contract.

All methods raise `Permanent` or `Transient` and no SDK's exception. All are safe to call from several threads.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from replicator.model import (
    Attributes,
    AwsKeys,
    BucketFacts,
    Checksum,
    CompositeChecksum,
    DeadLetter,
    DestinationName,
    DestinationObject,
    SourceKey,
    SourceObject,
)

MAX_COMPONENTS = 32
"""Objects that one request composes, at most (https://cloud.google.com/storage/docs/composite-objects)."""

LEASE = 60
"""Seconds for which a dead letter is held. Who dies with it in hand leaves it hidden for no longer than that."""


class Body(Protocol):
    """The bytes of one pinned source object, or of a range of it."""

    def readinto(self, buffer: memoryview) -> int:
        """Fills the front of `buffer` and returns how many bytes; 0 only when the last byte has been given.

        Raises `Transient(source_truncated or source_unavailable)` when the connection ends before that: a short read
        is never taken for the end.
        """


class Source(Protocol):
    """Reads S3."""

    def stat(self, key: SourceKey) -> SourceObject | None:
        """The object as it is now, or `None` when S3 is sure that it is absent. A missing bucket is `Permanent`:
        it must never look like deleted objects."""

    def read(self, key: SourceKey) -> AbstractContextManager[tuple[SourceObject, Body] | None]:
        """The object as it is now with all its bytes, in one request; `None` as in `stat`, and raises as `stat`.

        Whoever does not want the bytes after all leaves them unread.
        """

    def open(self, source: SourceObject, offset: int = 0, length: int | None = None) -> AbstractContextManager[Body]:
        """`length` bytes from `offset`, or all to the end, pinned to exactly this state.

        Raises `SourceMoved` when S3 no longer has that state. May be repeated, with any range within the size.
        """

    def checksum(self, source: SourceObject) -> Checksum | CompositeChecksum | None:
        """What S3 stored to check the object's bytes with: `source.checksum`, or where there is none and the object
        was uploaded in parts, what is known of those. `None` where nothing is, or we may not ask.

        It may take requests, so it is asked for only when bytes are to be copied. Raises as `open`.
        """

    def check(self, bucket: str) -> None:
        """Returns when the bucket can be read, raises otherwise."""


class UploadSession(Protocol):
    """One resumable upload of known size. Nothing is visible before `finish` returns."""

    def append(self, offset: int, length: int, chunks: Iterator[memoryview]) -> int:
        """Sends `length` bytes, a multiple of 256 KiB that ends before the object's end, beginning at `offset`.

        Returns how many bytes, from the object's start, Cloud Storage now holds: fewer than were sent when the
        connection broke or only part was persisted. The caller resumes there. What iterating over `chunks` raises
        passes through. Raises `Transient` when the session itself is lost.
        """

    def finish(self, offset: int, chunk: bytes, crc32c: bytes) -> DestinationObject:
        """Sends the last bytes with the checksum of the whole object, which then becomes visible, or nothing does.

        Raises `DestinationMoved` when the generation required at the beginning no longer holds, and
        `Transient(checksum_mismatch)` when Cloud Storage holds other bytes. May be repeated.
        """

    def cancel(self) -> None:
        """Gives the session up. Never raises; does nothing to a finished one."""


class Destination(Protocol):
    """Writes Cloud Storage. Every write is conditional; a failed condition raises `DestinationMoved`."""

    def stat(self, name: DestinationName) -> DestinationObject | None:
        """The live object, or `None`."""

    def insert(
        self, name: DestinationName, data: memoryview, crc32c: bytes, attributes: Attributes, if_generation: int
    ) -> DestinationObject:
        """Writes a whole object in one request; 0 as `if_generation` means that there must be none."""

    def compose(
        self,
        name: DestinationName,
        components: Sequence[DestinationObject],
        attributes: Attributes,
        if_generation: int,
        *,
        delete_components: bool = False,
    ) -> DestinationObject:
        """Makes one object of exactly these 1 to `MAX_COMPONENTS` generations, one after the other, in the same bucket.

        With `delete_components` they are deleted for good, also where the bucket keeps versions. Raises
        `DestinationMoved` also when one of them is gone. May be repeated.
        """

    def begin(self, name: DestinationName, size: int, attributes: Attributes, if_generation: int) -> UploadSession:
        """Opens a resumable upload. The generation is checked when it finishes."""

    def update_metadata(self, current: DestinationObject, attributes: Attributes) -> DestinationObject:
        """Replaces headers, custom metadata and receipt, on condition that nothing changed since `current`.

        The bytes, and with them the generation, stay. Cloud Storage refuses a custom time earlier than the current
        one (`Permanent(destination_refused)`).
        """

    def delete(self, current: DestinationObject) -> None:
        """Deletes exactly this generation and metageneration."""

    def list_objects(self, bucket: str, prefix: str) -> Iterator[DestinationObject]:
        """The live objects whose names begin with `prefix`, sorted by name."""

    def discard(self, temporary: DestinationObject) -> None:
        """Deletes this generation for good, also where the bucket keeps versions. One that is gone is no error."""

    def facts(self, bucket: str) -> BucketFacts | None:
        """What the bucket is like; `None` where we may not look. May be some minutes old."""

    def check(self, bucket: str) -> None:
        """Returns when objects can be read, created and deleted in the bucket, raises otherwise."""


class Progress(Protocol):
    """Watches copies under way: the metrics, or a progress bar."""

    def copying(self, source: SourceObject) -> AbstractContextManager[Callable[[int], None]]:
        """A context around one copy. The function it gives is told how many bytes, from the start, have been read; the
        number falls when the copy has to go back."""


class Publisher(Protocol):
    """Hands events to Pub/Sub."""

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        """Returns the message id once the message is durable. Raises `Transient(publish_failed)`, within 4 s."""


class ReplayTopic(Publisher, Protocol):
    """The topic that dead letters are published to again.

    Raises `Permanent(topic_not_found or topic_access_denied)`, and `Transient(publish_failed)` within 4 s.
    """

    def subscriptions(self) -> frozenset[str]:
        """The names of those that get what is published from now on."""


class DeadLetters(Protocol):
    """Holds the messages that Pub/Sub gave up, in a subscription of their own.

    What is pulled is hidden from everybody else for a lease, `LEASE` seconds when it is extended. A lease that runs out
    gives the message back: whatever becomes of its holder, it is lost to nobody.

    Raises `Permanent(subscription_not_found, subscription_access_denied or subscription_refused)`, and
    `Transient(subscription_unavailable or credentials_unavailable)`.
    """

    def pull(self, most: int) -> Sequence[DeadLetter]:
        """One to `most` messages; none when there was none to be had for some seconds, though there may be still.

        A message may come again while it is held: by another handle, under the same id.
        """

    def extend(self, handles: Sequence[str]) -> None:
        """Holds the messages for a lease from now on. May be repeated."""

    def release(self, handles: Sequence[str]) -> None:
        """Gives the messages back: they can be pulled at once. May be repeated."""

    def acknowledge(self, handles: Sequence[str]) -> None:
        """Removes the messages for good. May be repeated. One that is not held any more may come again all the same."""


class IdentityTokens(Protocol):
    """Knows whose a token is."""

    def verify(self, token: str) -> str:
        """The verified e-mail address of the Google identity that the token proves.

        Raises `Permanent(token_invalid, token_expired or caller_not_allowed)`, whose detail is the word for the check
        that failed, and `Transient(certificates_unavailable)`.
        """


class KeyStore(Protocol):
    """Keeps the AWS keys that the source side signs with."""

    def current(self) -> AwsKeys:
        """The keys to use now, from memory as long as they are fresh. Raises `Transient(credentials_unavailable)`."""

    def renew(self, rejected: AwsKeys) -> bool:
        """Reads the keys again because S3 rejected these; whether there are other ones now. Never raises."""
