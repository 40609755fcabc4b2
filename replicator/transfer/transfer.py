"""Chooses the path that an object's bytes take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from replicator.deadline import Deadline
from replicator.model import Attributes, DestinationName, DestinationObject, SourceObject
from replicator.ports import Destination, Progress, Source
from replicator.transfer.stream import copy_stream
from replicator.transfer.whole import copy_whole

WHOLE_MAX_SIZE = 8 * 1024**2
"""Up to this many bytes an object is copied whole: one GET into memory, one insert."""


class Path(StrEnum):
    """How an object's bytes are moved."""

    WHOLE = "whole"
    STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Copied:
    """A finished copy: the object that is visible now, and the path its bytes took."""

    destination: DestinationObject
    path: Path


class Unwatched:
    """The `Progress` of copies that nobody watches."""

    @contextmanager
    def copying(self, _source: SourceObject) -> Iterator[Callable[[int], None]]:
        yield lambda _position: None


def path_for(size: int) -> Path:
    """Pure: the path for an object of `size` bytes."""
    return Path.WHOLE if size <= WHOLE_MAX_SIZE else Path.STREAM


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies objects between two sides. `chunk_size` is the size in bytes of one read-ahead buffer."""

    source: Source
    destination: Destination
    chunk_size: int
    progress: Progress = field(default_factory=Unwatched)

    def copy(
        self,
        source: SourceObject,
        name: DestinationName,
        attributes: Attributes,
        if_generation: int,
        deadline: Deadline,
    ) -> Copied:
        """Writes the bytes of exactly `source`, with `attributes`, if the destination is at `if_generation`.

        Raises `SourceMoved` or `DestinationMoved` when one side is no longer as required, `Transient` when reading,
        writing or a checksum failed. In each case nothing became visible.
        """
        path = path_for(source.size)
        sides = self.source, self.destination
        with self.progress.copying(source) as at:
            if path is Path.WHOLE:
                written = copy_whole(*sides, source, name, attributes, if_generation, deadline=deadline, at=at)
            else:
                written = copy_stream(
                    *sides,
                    source,
                    name,
                    attributes,
                    if_generation,
                    chunk_size=self.chunk_size,
                    deadline=deadline,
                    at=at,
                )
        return Copied(written, path)
