"""Where bytes are kept: the port that memory and a folder both implement, and the draft of a new object."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from replicator.dev.cloud_storage.checksums import RunningChecksums
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord


class Reader(Protocol):
    """A generation's bytes, readable to the end even when the object is replaced or deleted meanwhile."""

    def blocks(self, start: int, stop: int) -> Iterator[bytes | memoryview]: ...


class Content(Protocol):
    """The bytes of one generation. They never change."""

    def open(self) -> Reader:
        """Raises FileNotFoundError when something outside the server removed the bytes."""
        ...


class Staging(Protocol):
    """Bytes on their way in: visible to nobody."""

    def write(self, block: memoryview) -> None:
        """Append `block`, and take it over: the caller must not change it afterwards."""
        ...

    def append(self, reader: Reader, size: int) -> None:
        """Append all `size` bytes of an object that is kept already."""
        ...

    def discard(self) -> None:
        """Forget the bytes. May be repeated, and does nothing once they are published."""
        ...


class Medium(Protocol):
    """Keeps what the store decides. Every call but `stage` and `room` is made under the store's lock."""

    keeps_versions: bool
    """Whether a content that was replaced can still be read."""

    def load(self) -> Sequence[tuple[BucketRecord, Sequence[tuple[ObjectRecord, Content]]]]:
        """All that an earlier server left in the same place."""
        ...

    def room(self, size: int) -> memoryview:
        """Memory to receive a block in that is then written to a staging. The next block of the same thread may take
        the same place."""
        ...

    def stage(self) -> Staging: ...

    def publish(self, staging: Staging, record: ObjectRecord, previous: Content | None) -> Content:
        """Make the staged bytes the object's content, in place of `previous`, in one visible step."""
        ...

    def update(self, record: ObjectRecord, content: Content) -> None:
        """The record changed, the bytes did not."""
        ...

    def remove(self, record: ObjectRecord, content: Content) -> None: ...

    def add_bucket(self, bucket: BucketRecord) -> None: ...

    def remove_bucket(self, bucket: BucketRecord) -> None: ...


class Draft:
    """The bytes of an object that does not exist yet, their size and their checksums."""

    def __init__(self, staging: Staging, *, with_md5: bool) -> None:
        self.staging = staging
        self.size = 0
        self.checksums = RunningChecksums(with_md5=with_md5)

    def write(self, block: memoryview) -> None:
        """Append `block`, and take it over: the caller must not change it afterwards."""
        if len(block):
            self.checksums.update(block)
            self.staging.write(block)
            self.size += len(block)

    def append(self, record: ObjectRecord, reader: Reader) -> None:
        """Append a whole object; its checksum is combined, not calculated again."""
        self.staging.append(reader, record.size)
        self.checksums.append(record.crc32c, record.size)
        self.size += record.size

    def discard(self) -> None:
        self.staging.discard()
