"""Holds on to dead letters while somebody looks through them."""

from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from replicator.errors import ReplicationError
from replicator.model import DeadLetter
from replicator.ports import LEASE, DeadLetters


class Hold:
    """Keeps what it has pulled hidden, so that nothing is shown twice, until it is acknowledged; all the rest is given
    back at the end, however that comes.

    Pub/Sub has no other way to look through a subscription. Leases are extended every `interval` seconds, in a thread
    of their own: a person may be thinking. Only the handles are kept.
    """

    def __init__(self, queue: DeadLetters, interval: float = LEASE / 3) -> None:
        self._queue, self._interval = queue, interval
        self._lock = Lock()
        self._held: dict[str, None] = {}
        self._seen: set[str] = set()
        self._ended = Event()
        self._extending = Thread(target=self._extend, name="lease", daemon=True)

    def pull(self, most: int) -> Sequence[DeadLetter]:
        """Messages that were not pulled before, `most` of them at most; none when there is nothing new to be had."""
        letters = self._queue.pull(most)
        with self._lock:
            self._held |= dict.fromkeys(letter.handle for letter in letters)
        self._queue.extend([letter.handle for letter in letters])  # a subscription's own deadline may be shorter
        new = {letter.message_id: letter for letter in letters if letter.message_id not in self._seen}
        self._seen |= new.keys()
        return tuple(new.values())

    def acknowledge(self, handles: Sequence[str]) -> None:
        """Removes the messages for good."""
        self._queue.acknowledge(handles)
        with self._lock:
            for handle in handles:
                self._held.pop(handle, None)

    def __enter__(self) -> Self:
        self._extending.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._extending.join()
        with suppress(ReplicationError):  # then they come back by themselves, when their leases run out
            self._queue.release(list(self._held))

    def _extend(self) -> None:
        while not self._ended.wait(self._interval):
            with self._lock:
                handles = list(self._held)
            with suppress(ReplicationError):  # the next time, perhaps; meanwhile it may be shown twice
                self._queue.extend(handles)
