"""Objects without their bytes: sizes, checksums and attributes stay, so that a benchmark needs no memory for them."""

from __future__ import annotations

from collections.abc import Sequence
from threading import local
from typing import NoReturn

from replicator.dev.cloud_storage.contents import Content, Reader, Staging
from replicator.dev.cloud_storage.messages import ApiError
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord


class Discarded:
    """The content of every object, and its reader."""

    def open(self) -> Discarded:
        return self

    def blocks(self, start: int, stop: int) -> NoReturn:
        raise ApiError(501, "notImplemented", f"This server keeps no bytes; {start} to {stop} cannot be read")


class DiscardingStaging:
    def write(self, block: memoryview) -> None:
        pass

    def append(self, reader: Reader, size: int) -> None:
        pass

    def discard(self) -> None:
        pass


class DiscardingMedium:
    """What arrives is counted and checked in one piece of memory for each connection, over and over."""

    keeps_versions = True

    def __init__(self) -> None:
        self._of_thread = local()

    def load(self) -> Sequence[tuple[BucketRecord, Sequence[tuple[ObjectRecord, Content]]]]:
        return ()

    def room(self, size: int) -> memoryview:
        room: memoryview | None = getattr(self._of_thread, "room", None)
        if room is None or len(room) < size:
            room = self._of_thread.room = memoryview(bytearray(size))
        return room[:size]

    def stage(self) -> DiscardingStaging:
        return DiscardingStaging()

    def publish(self, staging: Staging, record: ObjectRecord, previous: Content | None) -> Content:  # noqa: ARG002
        return Discarded()

    def update(self, record: ObjectRecord, content: Content) -> None:
        pass

    def remove(self, record: ObjectRecord, content: Content) -> None:
        pass

    def add_bucket(self, bucket: BucketRecord) -> None:
        pass

    def remove_bucket(self, bucket: BucketRecord) -> None:
        pass
