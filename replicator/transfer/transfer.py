"""Chooses the path that an object's bytes take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from threading import Semaphore

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.model import Attributes, DestinationName, DestinationObject, SourceObject
from replicator.ports import Destination, Progress, Source
from replicator.reasons import Reason
from replicator.transfer.stream import copy_stream
from replicator.transfer.whole import copy_whole

WHOLE_MAX_SIZE = 8 * 1024**2
"""Up to this many bytes an object is copied whole: one GET into memory, one insert."""


MAX_CONCURRENCY = 1000
"""Requests that Cloud Run sends one instance at once, at most."""


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
    """Copies objects between two sides. `chunk_size` is the size in bytes of one read-ahead buffer.

    `turns` is how many copies may be under way at once, and with it what they may hold in memory, however many objects
    and destinations the requests ask for. The others wait for their turn.
    """

    source: Source
    destination: Destination
    chunk_size: int
    progress: Progress = field(default_factory=Unwatched)
    turns: Semaphore = field(default_factory=lambda: Semaphore(MAX_CONCURRENCY))

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
        writing or a checksum failed, or no turn came in time. In each case nothing became visible.
        """
        path = path_for(source.size)
        sides = self.source, self.destination
        with self._turn(deadline), self.progress.copying(source) as at:
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

    @contextmanager
    def _turn(self, deadline: Deadline) -> Iterator[None]:
        if not self.turns.acquire(timeout=max(0.0, deadline.remaining)):
            raise Transient(Reason.OUT_OF_TIME, "other copies were under way all the time")
        try:
            yield
        finally:
            self.turns.release()
