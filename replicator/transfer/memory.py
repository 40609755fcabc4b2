"""The memory that copies may use: one budget for the whole process, from which every buffer is borrowed.

A borrower asks once, for all that it needs, and returns it without needing more: nobody who holds memory waits for
memory. Whoever waits is served in the order of asking, a large request before the smaller ones behind it.
"""

import mmap
from collections import deque
from threading import Condition
from types import TracebackType

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.reasons import Reason

MAPPED_FROM = 1024**2
"""Buffers of this size and more are mapped, and kept for the next borrower: to map and clear one costs as much as to
fill it. Smaller ones come from the heap, which would not give larger ones back to the system."""

Buffer = mmap.mmap | bytearray


class Memory:
    """Of `budget` bytes, what is lent and what is kept for the next borrower are never more together."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._free = budget
        self._kept: list[mmap.mmap] = []
        self._waiting: deque[object] = deque()
        self._change = Condition()

    def borrow(self, size: int, deadline: Deadline) -> "Loan":
        """A buffer of `size` bytes; of more than the budget, when nobody else has any.

        Raises `Transient(over_budget)` when it did not come free in time.
        """
        share = min(size, self.budget)
        ticket = object()
        with self._change:
            self._waiting.append(ticket)
            try:
                served = self._change.wait_for(
                    lambda: self._waiting[0] is ticket and share <= self._free, max(0.0, deadline.remaining)
                )
                if not served:
                    raise Transient(Reason.OVER_BUDGET, f"{share} of {self.budget} bytes were wanted")
                loan = Loan(self, share, self._buffer(size, share))
                self._free -= share
                return loan
            finally:
                self._waiting.remove(ticket)
                self._change.notify_all()

    def give_back(self, share: int, buffer: Buffer) -> None:
        """For `Loan` alone."""
        with self._change:
            self._free += share
            if isinstance(buffer, mmap.mmap):
                self._kept.append(buffer)
            self._change.notify_all()

    def _buffer(self, size: int, share: int) -> Buffer:
        fitting = next((kept for kept in self._kept if len(kept) == size), None)
        if fitting is not None:
            self._kept.remove(fitting)
            return fitting
        while self._kept and sum(map(len, self._kept)) > self._free - share:
            self._kept.pop(0)
        return bytearray(size) if size < MAPPED_FROM else mmap.mmap(-1, size)


class Loan:
    """A borrowed buffer, as a context: leaving it gives the buffer back, from whichever thread. It holds whatever its
    last borrower left there."""

    def __init__(self, memory: Memory, share: int, buffer: Buffer) -> None:
        self._memory, self._share, self._buffer = memory, share, buffer

    def __enter__(self) -> memoryview:
        return memoryview(self._buffer)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._memory.give_back(self._share, self._buffer)
