"""What was asked of the server, so that a test can count it."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """`path` and `query` as sent, percent-encoded; `status` is None when the connection was reset instead."""

    method: str
    path: str
    query: str
    status: int | None


class RequestLog:
    """The last requests, in the order of their answers. Each is there before its client has the answer."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._requests: deque[ServedRequest] = deque(maxlen=_KEPT)

    def add(self, request: ServedRequest) -> None:
        with self._lock:
            self._requests.append(request)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()

    def count(self, method: str | None = None, path: str = "") -> int:
        """How many there were of this method, with this regular expression in their path and query."""
        return sum(
            method in (None, request.method) and re.search(path, f"{request.path}?{request.query}") is not None
            for request in self
        )

    def __iter__(self) -> Iterator[ServedRequest]:
        with self._lock:
            return iter(list(self._requests))

    def __len__(self) -> int:
        return len(self._requests)
