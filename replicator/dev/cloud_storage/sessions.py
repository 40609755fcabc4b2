"""Resumable upload sessions: https://cloud.google.com/storage/docs/performing-resumable-uploads."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from threading import Lock

from replicator.dev.cloud_storage.attributes import Attributes
from replicator.dev.cloud_storage.checksums import Expected
from replicator.dev.cloud_storage.content_range import ContentRange
from replicator.dev.cloud_storage.contents import Draft
from replicator.dev.cloud_storage.messages import ApiError, invalid, not_found
from replicator.dev.cloud_storage.preconditions import Preconditions
from replicator.dev.cloud_storage.records import ObjectRecord, ObjectRef
from replicator.dev.cloud_storage.request_body import BrokenBody, RequestBody
from replicator.dev.cloud_storage.store import Store

QUANTUM = 256 * 1024


@dataclass(slots=True, eq=False)
class Session:
    """An upload in progress, and after that the record of what became of it.

    `turn` counts the requests that brought bytes. A client that lost its connection comes back on another one
    while the first may still be read here: the newest request owns the session, and older ones end.
    """

    target: ObjectRef
    attributes: Attributes
    preconditions: Preconditions
    expected: Expected
    draft: Draft
    total: int | None
    finished: ObjectRecord | None = None
    turn: int = 0
    lock: Lock = field(default_factory=Lock)

    def append(self, turn: int, block: memoryview) -> None:
        with self.lock:
            self._own(turn)
            self.draft.write(block)

    def finish(self, turn: int, store: Store, tail: memoryview, expected: Expected) -> ObjectRecord:
        """Raises ApiError as Store.insert does; the session is of no use after that."""
        with self.lock:
            if self.finished is None:
                self._own(turn)
                self.draft.write(tail)
                if self.total is not None and self.draft.size != self.total:
                    raise invalid(f"The upload has {self.draft.size} bytes, not the {self.total} declared")
                announced = expected.or_else(self.expected)
                self.finished = store.insert(self.target, self.attributes, self.draft, self.preconditions, announced)
                self.draft.discard()
            return self.finished

    def declare(self, total: int | None) -> None:
        """Raises ApiError (400) when the total differs from the one declared before."""
        if total is not None and self.total not in (None, total):
            raise invalid(f"The upload was declared with {self.total} bytes, and now with {total}")
        if total is not None and total < self.draft.size:
            raise invalid(f"The upload has {self.draft.size} bytes, more than the {total} declared")
        self.total = total if total is not None else self.total

    def _own(self, turn: int) -> None:
        if turn != self.turn or self.finished is not None:
            raise BrokenBody("a newer request took the upload over")


class Sessions:
    """All sessions of a server. The id is the only key to one, so it cannot be guessed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._sessions: dict[str, Session] = {}

    def start(self, session: Session) -> str:
        upload_id = secrets.token_urlsafe(48)
        with self._lock:
            self._sessions[upload_id] = session
        return upload_id

    def find(self, upload_id: str) -> Session:
        """Raises ApiError (404) for an id never given, and for a session cancelled or failed."""
        with self._lock:
            session = self._sessions.get(upload_id)
        if session is None:
            raise not_found("No such upload session.")
        return session

    def cancel(self, upload_id: str) -> None:
        """Raises ApiError (404) as `find` does."""
        session = self.find(upload_id)
        with self._lock:
            self._sessions.pop(upload_id, None)
        with session.lock:
            session.turn += 1
            session.draft.discard()

    def close(self) -> None:
        """Discard all that is unfinished."""
        for upload_id in list(self._sessions):
            self.cancel(upload_id)

    def receive(
        self, upload_id: str, asked: ContentRange, body: RequestBody, expected: Expected, at_most: int | None
    ) -> ObjectRecord | int:
        """Take in a chunk, or only tell how far the upload got: the finished object, or the bytes persisted.

        Raises ApiError: 503 for a chunk that leaves a gap, 400 for one that contradicts what was declared, and
        what Store.insert raises at the end of an upload. Raises BrokenBody when the body breaks off; what had
        arrived is kept, rounded down to QUANTUM. `at_most` limits what is kept of this chunk.
        """
        session = self.find(upload_id)
        if session.finished is not None:
            body.drain()
            return session.finished
        if asked.first is None:
            return self._answer_query(upload_id, session, asked, body, expected)
        with session.lock:
            session.turn += 1
            turn, persisted = session.turn, session.draft.size
            _check_start(asked, asked.first, persisted)
            session.declare(asked.total)
        body.skip(persisted - asked.first)
        tail = self._take_in(session, turn, body, at_most)
        if asked.is_final and tail is not None:
            return self._finish(upload_id, session, turn, tail, expected)
        return session.draft.size

    def _answer_query(
        self, upload_id: str, session: Session, asked: ContentRange, body: RequestBody, expected: Expected
    ) -> ObjectRecord | int:
        body.drain()
        with session.lock:
            session.declare(asked.total)
            persisted, turn = session.draft.size, session.turn
        if persisted != asked.total:
            return persisted
        # All bytes are here and now their number is known: this is how an upload of unknown length ends.
        return self._finish(upload_id, session, turn, memoryview(b""), expected)

    def _take_in(self, session: Session, turn: int, body: RequestBody, at_most: int | None) -> memoryview | None:
        """Persist whole quanta as they arrive. Returns what is left over, or None if not all was kept."""
        tail = memoryview(b"")
        for block in body.blocks(self._store.room):
            kept = block if at_most is None else block[:at_most]
            if at_most is not None:
                at_most -= len(kept)
            whole = len(kept) - len(kept) % QUANTUM
            session.append(turn, kept[:whole])
            tail = kept[whole:]
        return None if at_most == 0 else tail

    def _finish(
        self, upload_id: str, session: Session, turn: int, tail: memoryview, expected: Expected
    ) -> ObjectRecord:
        try:
            return session.finish(turn, self._store, tail, expected)
        except ApiError:
            self.cancel(upload_id)
            raise


def _check_start(asked: ContentRange, first: int, persisted: int) -> None:
    if first > persisted:
        # As the service does: plain text with 503, although repeating the request cannot help.
        message = f"The upload offset of {first} bytes in Content-Range exceeds the {persisted} bytes uploaded so far."
        raise ApiError(503, "backendError", message, plain=True)
    if not asked.is_final and asked.last is not None and asked.last - first + 1 < QUANTUM:
        raise invalid(f"All chunks but the last need at least {QUANTUM} bytes, and should have a multiple of that")
