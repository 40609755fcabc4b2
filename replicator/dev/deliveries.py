"""Items on their way to somebody who may refuse them for now: what EventBridge and Pub/Sub have in common."""

import heapq
import itertools
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from threading import Condition, Thread
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds until the next attempt: doubled after each, between two bounds."""

    minimum: float
    maximum: float

    def after(self, attempt: int) -> float:
        return min(self.maximum, self.minimum * 2.0 ** (attempt - 1))


@dataclass(frozen=True, slots=True, order=True)
class _Due(Generic[T]):
    at: float
    order: int
    attempt: int = field(compare=False)
    item: T = field(compare=False)


class Deliveries(ABC, Generic[T]):
    """Hands every item to `deliver` until that says that it is done with, once `with` has begun.

    At most `concurrency` items are in the hands of `deliver` at once; the order is nobody's to rely on.
    """

    def __init__(self, name: str, backoff: Backoff, concurrency: int) -> None:
        self._backoff = backoff
        self._changed = Condition()
        self._waiting: list[_Due[T]] = []
        self._order = itertools.count()
        self._unfinished = 0
        self._stopped = False
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(concurrency)]

    @abstractmethod
    def deliver(self, item: T, attempt: int) -> bool:
        """Whether the item is done with, delivered or given up; otherwise there is another attempt. Must not raise.

        Attempts are counted from 1.
        """

    def add(self, item: T) -> None:
        with self._changed:
            self._unfinished += 1
            self._push(item, 1, time.monotonic())

    @property
    def unfinished(self) -> int:
        """How many items are not done with."""
        with self._changed:
            return self._unfinished

    def settle(self, timeout: float) -> bool:
        """Waits until every item is done with; `False` when time ran out or `stop` was called before that."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or not self._unfinished, timeout)
            return not self._unfinished

    def stop(self) -> None:
        """No attempt begins any more. Returns at once: an attempt that has begun may still be going on."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while (due := self._next()) is not None:
            done = self.deliver(due.item, due.attempt)
            with self._changed:
                if done:
                    self._unfinished -= 1
                    self._changed.notify_all()
                else:
                    self._push(due.item, due.attempt + 1, time.monotonic() + self._backoff.after(due.attempt))

    def _next(self) -> _Due[T] | None:
        """Waits for an item that is due; `None` after `stop`."""
        with self._changed:
            while not self._stopped:
                seconds = self._waiting[0].at - time.monotonic() if self._waiting else None
                if seconds is not None and seconds <= 0:
                    return heapq.heappop(self._waiting)
                self._changed.wait(seconds)
            return None

    def _push(self, item: T, attempt: int, at: float) -> None:
        heapq.heappush(self._waiting, _Due(at, next(self._order), attempt, item))
        self._changed.notify_all()
