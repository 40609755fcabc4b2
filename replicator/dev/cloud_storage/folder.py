"""Objects as ordinary files in a folder that a person can open, and that outlives the server.

    root/bucket/dir/file.txt                   an object whose name is a path
    root/.cloud-storage/names/bucket/<hash>    the bytes of one whose name is not, or collides with another's
    root/.cloud-storage/objects/bucket/<hash>  what is known about each object, as JSON
    root/.cloud-storage/buckets/bucket         the same for each bucket
    root/.cloud-storage/staging/               uploads in progress; emptied at the start

Files without a record are not objects: they are left alone, and never overwritten.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from replicator.dev.cloud_storage.checksums import RunningChecksums
from replicator.dev.cloud_storage.contents import Content, Reader, Staging
from replicator.dev.cloud_storage.layout import HIDDEN, hashed, may_write, ordinary_path
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord
from replicator.dev.cloud_storage.request_body import BLOCK, fresh_room


class FileReader:
    """Holds the file open until it is dropped, half-read or not: a client may leave in the middle."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        while start < stop and (block := os.pread(self._descriptor, min(BLOCK, stop - start), start)):
            yield block
            start += len(block)


@dataclass(frozen=True, slots=True)
class FileContent:
    """`ordinary` tells the two places apart. `modified_ns` shows whether someone else wrote to the file."""

    path: Path
    ordinary: bool
    modified_ns: int

    def open(self) -> FileReader:
        return FileReader(self.path)


class FileStaging:
    def __init__(self, folder: Path) -> None:
        # The store closes it by publishing or discarding.
        self._file = tempfile.NamedTemporaryFile(dir=folder, delete=False, buffering=0)  # noqa: SIM115
        self.path = Path(self._file.name)

    def write(self, block: memoryview) -> None:
        while len(block):
            block = block[self._file.write(block) :]

    def append(self, reader: Reader, size: int) -> None:
        for block in reader.blocks(0, size):
            self.write(memoryview(block))

    def finish(self) -> Path:
        self._file.close()
        self.path.chmod(0o644)
        return self.path

    def discard(self) -> None:
        if not self._file.closed:
            self._file.close()
            self.path.unlink(missing_ok=True)


class FolderMedium:
    """Every change is a rename, so that a reader, a crash or a person finds the old state or the new one."""

    keeps_versions = False  # a person sees one file for each object

    def __init__(self, root: Path) -> None:
        self._root = root
        self._hidden = root / HIDDEN
        self._staging = self._hidden / "staging"
        shutil.rmtree(self._staging, ignore_errors=True)
        for folder in (self._staging, self._hidden / "buckets"):
            folder.mkdir(parents=True, exist_ok=True)

    def load(self) -> Sequence[tuple[BucketRecord, Sequence[tuple[ObjectRecord, Content]]]]:
        buckets = [BucketRecord(**_read_json(path)) for path in sorted((self._hidden / "buckets").iterdir())]
        return [(bucket, list(self._load_objects(bucket.name))) for bucket in buckets]

    def room(self, size: int) -> memoryview:
        return fresh_room(size)

    def stage(self) -> FileStaging:
        return FileStaging(self._staging)

    def publish(self, staging: Staging, record: ObjectRecord, previous: Content | None) -> Content:
        assert isinstance(staging, FileStaging)  # noqa: S101 - from our own `stage`
        path, ordinary = self._move(staging.finish(), record, previous)
        content = FileContent(path, ordinary, path.stat().st_mtime_ns)
        self.update(record, content)
        if isinstance(previous, FileContent) and previous.path != path:
            self._unlink(previous, record.bucket)
        return content

    def update(self, record: ObjectRecord, content: Content) -> None:
        assert isinstance(content, FileContent)  # noqa: S101 - from our own `publish`
        kept = {"record": asdict(record), "ordinary": content.ordinary, "modified_ns": content.modified_ns}
        self._write_json(self._record_path(record), kept)

    def remove(self, record: ObjectRecord, content: Content) -> None:
        assert isinstance(content, FileContent)  # noqa: S101 - from our own `publish`
        self._record_path(record).unlink(missing_ok=True)
        self._unlink(content, record.bucket)

    def add_bucket(self, bucket: BucketRecord) -> None:
        for folder in (self._root, self._hidden / "objects", self._hidden / "names"):
            (folder / bucket.name).mkdir(parents=True, exist_ok=True)
        self._write_json(self._hidden / "buckets" / bucket.name, asdict(bucket))

    def remove_bucket(self, bucket: BucketRecord) -> None:
        (self._hidden / "buckets" / bucket.name).unlink(missing_ok=True)
        for folder in (self._root, self._hidden / "objects", self._hidden / "names"):
            # A person's own files keep the folder alive.
            with contextlib.suppress(OSError):
                (folder / bucket.name).rmdir()

    def _load_objects(self, bucket: str) -> Iterator[tuple[ObjectRecord, FileContent]]:
        for path in sorted((self._hidden / "objects" / bucket).iterdir()):
            kept = _read_json(path)
            record = ObjectRecord(**kept["record"])
            where = self._ordinary_place(record) if kept["ordinary"] else self._hidden_place(record)
            if where is None:
                continue
            content = FileContent(where, kept["ordinary"], kept["modified_ns"])
            if _still_holds(content, record):
                yield record, content

    def _move(self, staged: Path, record: ObjectRecord, previous: Content | None) -> tuple[Path, bool]:
        """Put the staged file in its place: the ordinary one, if the file system agrees, or the hidden one."""
        path = self._ordinary_place(record)
        own = isinstance(previous, FileContent) and previous.path == path
        if path is not None and may_write(self._root, PurePosixPath(path.relative_to(self._root)), replacing=own):
            # What the file system refuses after all, such as a path too long in total, is hidden instead.
            with contextlib.suppress(OSError):
                path.parent.mkdir(parents=True, exist_ok=True)
                return staged.replace(path), True
        return staged.replace(self._hidden_place(record)), False

    def _ordinary_place(self, record: ObjectRecord) -> Path | None:
        relative = ordinary_path(record.name)
        return None if relative is None else self._root / record.bucket / relative

    def _hidden_place(self, record: ObjectRecord) -> Path:
        return self._hidden / "names" / record.bucket / hashed(record.name)

    def _record_path(self, record: ObjectRecord) -> Path:
        return self._hidden / "objects" / record.bucket / hashed(record.name)

    def _unlink(self, content: FileContent, bucket: str) -> None:
        content.path.unlink(missing_ok=True)
        if content.ordinary:
            # Empty folders go too: `a/b` deleted must leave the name `a` free.
            top = self._root / bucket
            with contextlib.suppress(OSError):
                for folder in content.path.relative_to(top).parents:
                    if folder.parts:
                        (top / folder).rmdir()

    def _write_json(self, path: Path, value: Mapping[str, Any]) -> None:
        staging = self.stage()
        staging.write(memoryview(json.dumps(value, indent=1, ensure_ascii=False).encode()))
        staging.finish().replace(path)


def _read_json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return value


def _still_holds(content: FileContent, record: ObjectRecord) -> bool:
    """Whether the file is the object's still: it may have been edited, removed, or copied with a new time."""
    try:
        stat = content.path.lstat()
        if content.path.is_symlink() or stat.st_size != record.size:
            return False
        if stat.st_mtime_ns == content.modified_ns:
            return True
        checksums = RunningChecksums(with_md5=False)
        for block in content.open().blocks(0, record.size):
            checksums.update(memoryview(block))
        return checksums.crc32c == record.crc32c
    except OSError:
        return False
