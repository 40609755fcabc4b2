"""Reads a range of a pinned source object into memory, and goes on where a read breaks."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.model import SourceObject
from replicator.ports import Body, Source
from replicator.reasons import Reason

MAX_FRUITLESS_READS = 3
"""Reads in a row that may break without having brought a single byte."""


def read_into(
    buffer: memoryview,
    side: Source,
    source: SourceObject,
    offset: int,
    deadline: Deadline,
    body: Body | None = None,
    at: Callable[[int], None] = lambda _filled: None,
) -> None:
    """Fills `buffer` with the bytes from `offset` on; `body`, if it is given, is at that offset already.

    Raises `SourceMoved`, `Permanent` or `Transient` where reading cannot go on, also when time is up.
    """
    filled = fruitless = 0
    given: AbstractContextManager[Body] | None = nullcontext(body) if body else None
    while filled < len(buffer):
        before = filled
        try:
            with given or side.open(source, offset + filled, len(buffer) - filled) as opened:
                while filled < len(buffer) and (count := opened.readinto(buffer[filled:])):
                    filled += count
                    at(filled)
                    deadline.check()
                if filled < len(buffer):
                    raise Transient(Reason.SOURCE_TRUNCATED, f"{offset + filled} of {source.size} bytes")
        except Transient:
            deadline.check()
            fruitless = 0 if filled > before else fruitless + 1
            if fruitless >= MAX_FRUITLESS_READS:
                raise
        given = None
