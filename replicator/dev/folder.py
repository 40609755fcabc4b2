"""Watches a folder, so that whatever a person drops into it is put into S3 and follows the events' path from there."""

import mimetypes
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import TYPE_CHECKING, Self

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

INTERVAL = 0.5
"""Seconds between two looks. A file is taken at the second look that finds it unchanged."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another without reading it."""

    size: int
    modified_ns: int
    inode: int


class FolderWatch:
    """Keeps `bucket` equal to the files in `folder`: the path inside it is the key.

    A file that is being written is not taken before it is the same in two looks. Names that begin with a dot belong to
    editors and copying tools, and symbolic links may lead anywhere: both are left alone. `report` gets a line about
    each file that S3 does not take; it is tried again when it changes.
    """

    def __init__(self, folder: Path, s3: "S3Client", bucket: str, report: Callable[[str], None]) -> None:
        self._folder, self._s3, self._bucket, self._report = folder, s3, bucket, report
        self._seen: Mapping[str, Stamp] = {}
        self._taken: dict[str, Stamp] = {}
        self._stopping = Event()
        self._thread = Thread(target=self._watch, name="folder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def look(self) -> None:
        """One look: takes what settled since the last one, and deletes what is gone."""
        found = dict(_files(self._folder))
        for key, stamp in found.items():
            if self._seen.get(key) == stamp != self._taken.get(key):
                self._taken[key] = stamp
                self._put(key)
        for key in self._taken.keys() - found.keys():
            del self._taken[key]
            self._delete(key)
        self._seen = found

    def _watch(self) -> None:
        self.look()
        while not self._stopping.wait(INTERVAL):
            self.look()

    def _put(self, key: str) -> None:
        content_type, encoding = mimetypes.guess_type(key)
        extra = {"ContentType": content_type} if content_type and not encoding else {}
        try:
            self._s3.upload_file(str(self._folder / key), self._bucket, key, ExtraArgs=extra)
        except (Boto3Error, BotoCoreError, ClientError, OSError, UnicodeError) as error:
            self._report(f"could not be put into S3: {key!r} ({type(error).__name__})")

    def _delete(self, key: str) -> None:
        try:
            self._s3.delete_object(Bucket=self._bucket, Key=key)
        except (BotoCoreError, ClientError, UnicodeError) as error:
            self._report(f"could not be deleted from S3: {key!r} ({type(error).__name__})")


def _files(folder: Path) -> Iterator[tuple[str, Stamp]]:
    """Each file, by its key. What vanishes while it is looked at was never there."""
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(path, name)
            if name.startswith(".") or file.is_symlink():
                continue
            try:
                stat = file.stat()
            except OSError:
                continue
            yield file.relative_to(folder).as_posix(), Stamp(stat.st_size, stat.st_mtime_ns, stat.st_ino)
