"""Holds on to dead letters while somebody looks through them."""

from collections.abc import Sequence
from contextlib import suppress
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Self

from replicator.errors import ReplicationError, unexpected
from replicator.model import DeadLetter
from replicator.ports import LEASE, DeadLetters

PULLS = 20
"""Pulls in a row that may bring only messages that are known already, before there is taken to be nothing new."""


class Hold:
    """Keeps what it has pulled hidden, so that nothing is shown twice, until it is acknowledged; all the rest is given
    back at the end, however that comes.

    Pub/Sub has no other way to look through a subscription. Leases are extended every `interval` seconds, in a thread
    of their own: a person may be thinking. Of each message only the newest handle is kept: that one counts.
    """

    def __init__(self, queue: DeadLetters, interval: float = LEASE / 3) -> None:
        self._queue, self._interval = queue, interval
        self._lock = Lock()
        self._held: dict[str, str] = {}
        self._failure: ReplicationError | None = None
        self._seen: set[str] = set()
        self._ended = Event()
        self._extending = Thread(target=self._extend, name="lease", daemon=True)

    def pull(self, most: int) -> Sequence[DeadLetter]:
        """Messages that were not pulled before, `most` of them at most; none when there is nothing new to be had.

        Raises what has ended the extending of leases.
        """
        for _ in range(PULLS):
            self._require_leases()
            letters = self._queue.pull(most)
            with self._lock:
                self._held |= {letter.message_id: letter.handle for letter in letters}
            self._queue.extend([letter.handle for letter in letters])  # a subscription's own deadline may be shorter
            new = {letter.message_id: letter for letter in letters if letter.message_id not in self._seen}
            self._seen |= new.keys()
            if new or not letters:
                return tuple(new.values())
        return ()

    def acknowledge(self, message_ids: Sequence[str]) -> None:
        """Removes the messages for good. Raises as `pull`."""
        self._require_leases()
        with self._lock:
            handles = [self._held[message_id] for message_id in message_ids]
        self._queue.acknowledge(handles)
        with self._lock:
            for message_id in message_ids:
                self._held.pop(message_id, None)

    def __enter__(self) -> Self:
        self._extending.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._extending.join()
        with suppress(ReplicationError):  # then they come back by themselves, when their leases run out
            self._queue.release(list(self._held.values()))

    def _require_leases(self) -> None:
        if self._failure:
            raise self._failure

    def _extend(self) -> None:
        while not self._ended.wait(self._interval):
            with self._lock:
                handles = list(self._held.values())
            try:
                with suppress(ReplicationError):  # the next time, perhaps; meanwhile it may be shown twice
                    self._queue.extend(handles)
            except Exception as error:  # nobody sees what becomes of this thread
                self._failure = unexpected(error)
                return
