"""Chooses the path that an object's bytes take."""

from dataclasses import dataclass
from enum import StrEnum

from replicator.deadline import Deadline
from replicator.model import DestinationName, DestinationObject, SourceObject
from replicator.ports import Destination, Source
from replicator.receipt import receipt_of
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
    """A finished copy: the object that is visible now, the path its bytes took, and the source checksum they passed."""

    destination: DestinationObject
    path: Path
    checked: str


def path_for(size: int) -> Path:
    """Pure: the path for an object of `size` bytes."""
    return Path.WHOLE if size <= WHOLE_MAX_SIZE else Path.STREAM


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies objects between two sides. `chunk_size` is the size in bytes of one read-ahead buffer."""

    source: Source
    destination: Destination
    chunk_size: int

    def copy(self, source: SourceObject, name: DestinationName, if_generation: int, deadline: Deadline) -> Copied:
        """Writes bytes, metadata and receipt of exactly `source`, if the destination is at `if_generation`.

        Raises `SourceMoved` or `DestinationMoved` when one side is no longer as required, `Transient` when reading,
        writing or a checksum failed. In each case nothing became visible.
        """
        path = path_for(source.size)
        if path is Path.WHOLE:
            written = copy_whole(self.source, self.destination, source, name, if_generation, deadline=deadline)
        else:
            written = copy_stream(
                self.source,
                self.destination,
                source,
                name,
                if_generation,
                chunk_size=self.chunk_size,
                deadline=deadline,
            )
        return Copied(written, path, receipt_of(source).checked)
