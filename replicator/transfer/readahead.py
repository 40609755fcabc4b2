"""Reads a source object in a thread of its own, so that download and upload overlap, and resumes broken reads."""

import queue
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.model import SourceObject
from replicator.ports import Body, Source
from replicator.reasons import Reason
from replicator.transfer.reading import MAX_FRUITLESS_READS

DEPTH = 4
"""Buffers per reader: one being filled, one being sent, two in between to even out both sides."""


class ReadAhead:
    """The bytes of one pinned object, in order, from any offset.

    A context manager: leaving it ends the thread. What is read ahead is held in `buffer`, in `DEPTH` chunks.
    """

    def __init__(self, side: Source, source: SourceObject, buffer: memoryview, deadline: Deadline) -> None:
        self._side, self._source, self._deadline = side, source, deadline
        size = len(buffer) // DEPTH
        self._buffers = [buffer[start : start + size] for start in range(0, DEPTH * size, size)]
        self._reader: _Reader | None = None
        self._rest = memoryview(b"")
        self.position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def seek(self, offset: int) -> None:
        """Continues at `offset`; going anywhere else than where the reader is costs a new GET."""
        if offset != self.position:
            self._stop()
            self.position = offset

    def take(self, length: int) -> Iterator[memoryview]:
        """Yields the next `length` bytes. Each chunk is valid until the next one is asked for.

        Raises `SourceMoved`, `Permanent` or `Transient` where reading cannot go on, also when its time is up.
        """
        if self._reader is None:
            self._reader = _Reader(self._side, self._source, self.position, self._buffers)
        while length:
            if not self._rest:
                self._rest = self._reader.next_chunk(self._deadline)
            chunk, self._rest = self._rest[:length], self._rest[length:]
            self.position += len(chunk)
            length -= len(chunk)
            yield chunk

    def _stop(self) -> None:
        if self._reader is not None:
            self._reader.stop()
        self._reader, self._rest = None, memoryview(b"")


class _Reader:
    """One thread that fills buffers from `offset` on. What it raises surfaces in `next_chunk`."""

    def __init__(self, side: Source, source: SourceObject, offset: int, buffers: list[memoryview]) -> None:
        self._side, self._source, self._offset = side, source, offset
        self._free: queue.SimpleQueue[memoryview | None] = queue.SimpleQueue()
        self._full: queue.SimpleQueue[tuple[memoryview, int] | BaseException] = queue.SimpleQueue()
        self._lent: memoryview | None = None
        self._stopped = False
        for buffer in buffers:
            self._free.put(buffer)
        self._thread = threading.Thread(target=self._run, name="read-ahead", daemon=True)
        self._thread.start()

    def next_chunk(self, deadline: Deadline) -> memoryview:
        """The next bytes, waited for until the deadline; takes back the buffer given before."""
        deadline.check()
        if self._lent is not None:
            self._free.put(self._lent)
            self._lent = None
        try:
            item = self._full.get(timeout=max(0.0, deadline.remaining))
        except queue.Empty:
            raise Transient(Reason.OUT_OF_TIME, "the source is silent") from None
        if isinstance(item, BaseException):
            raise item
        self._lent, count = item
        return self._lent[:count]

    def stop(self) -> None:
        """Ends the thread: at once when it waits for a buffer, otherwise with the read it is in."""
        self._stopped = True
        self._free.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            self._read_to_the_end()
        except BaseException as error:  # it belongs to the thread that asks for the bytes
            self._full.put(error)

    def _read_to_the_end(self) -> None:
        fruitless = 0
        while self._offset < self._source.size and not self._stopped:
            before = self._offset
            try:
                with self._side.open(self._source, self._offset) as body:
                    if not self._fill_buffers(body):
                        return
            except Transient:
                fruitless = 0 if self._offset > before else fruitless + 1
                if fruitless >= MAX_FRUITLESS_READS:
                    raise
        self._full.put(Transient(Reason.SOURCE_TRUNCATED, "read beyond the last byte"))

    def _fill_buffers(self, body: Body) -> bool:
        """Returns False when the reader was stopped, True at the end of the object."""
        while self._offset < self._source.size:
            buffer = self._free.get()
            if buffer is None:
                return False
            filled = 0
            try:
                while not self._stopped and filled < len(buffer) and (count := body.readinto(buffer[filled:])):
                    filled += count
            finally:
                # What arrived before a break counts: the read is resumed behind it.
                self._offset += filled
                if filled:
                    self._full.put((buffer, filled))
                else:
                    self._free.put(buffer)
            if not filled and not self._stopped:
                raise Transient(Reason.SOURCE_TRUNCATED, f"{self._offset} of {self._source.size} bytes")
        return True
