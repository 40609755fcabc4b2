"""Objects in memory: gone with the process, and as fast as it gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replicator.dev.cloud_storage.contents import Content, Reader, Staging
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord
from replicator.dev.cloud_storage.request_body import fresh_room


class MemoryContent:
    """The blocks as they arrived. Composing and copying share them."""

    def __init__(self, blocks: Sequence[memoryview]) -> None:
        self._blocks = blocks

    def open(self) -> MemoryContent:
        return self

    def blocks(self, start: int, stop: int) -> Iterator[memoryview]:
        at = 0
        for block in self._blocks:
            part = block[max(0, start - at) : max(0, stop - at)]
            if len(part):
                yield part
            at += len(block)


class MemoryStaging:
    def __init__(self) -> None:
        self.blocks: list[memoryview] = []

    def write(self, block: memoryview) -> None:
        self.blocks.append(block)

    def append(self, reader: Reader, size: int) -> None:
        self.blocks.extend(map(memoryview, reader.blocks(0, size)))

    def discard(self) -> None:
        self.blocks = []


class MemoryMedium:
    """The store's own index is all there is: nothing has to be saved."""

    keeps_versions = True

    def load(self) -> Sequence[tuple[BucketRecord, Sequence[tuple[ObjectRecord, Content]]]]:
        return ()

    def room(self, size: int) -> memoryview:
        return fresh_room(size)

    def stage(self) -> MemoryStaging:
        return MemoryStaging()

    def publish(
        self,
        staging: Staging,
        record: ObjectRecord,  # noqa: ARG002 - the port's signature
        previous: Content | None,  # noqa: ARG002
    ) -> Content:
        assert isinstance(staging, MemoryStaging)  # noqa: S101 - from our own `stage`
        return MemoryContent(tuple(staging.blocks))

    def update(self, record: ObjectRecord, content: Content) -> None:
        pass

    def remove(self, record: ObjectRecord, content: Content) -> None:
        pass

    def add_bucket(self, bucket: BucketRecord) -> None:
        pass

    def remove_bucket(self, bucket: BucketRecord) -> None:
        pass
