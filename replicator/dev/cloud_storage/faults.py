"""Failures on request: what a network or a service may do to a client, done exactly when a test asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from threading import Event, Lock

from replicator.dev.cloud_storage.messages import UploadKind


@dataclass(frozen=True, slots=True)
class Answer:
    """Read the body, do nothing, and answer this status."""

    status: int
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """Reset the connection when `after_bytes` of the body were received, or all of them if there are fewer.

    Nothing becomes visible; a resumable session keeps what it received, rounded down.
    """

    after_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """Stop reading when `after_bytes` of the body were received, for `seconds` or until an event; then go on.

    `reached` is set when the stall begins, so that a test can act in the middle of a request.
    """

    seconds: float | None = None
    until: Event | None = None
    reached: Event | None = None
    after_bytes: int = 0


@dataclass(frozen=True, slots=True)
class PersistAtMost:
    """Keep only this much of a resumable chunk, rounded down to 256 KiB, and answer 308."""

    count: int


@dataclass(frozen=True, slots=True)
class LoseAnswer:
    """Do the work, then reset the connection instead of answering."""


@dataclass(frozen=True, slots=True)
class Garble:
    """Do the work, then answer with this body instead of the right one."""

    body: bytes = b"<html>not what you expected</html>"


@dataclass(frozen=True, slots=True)
class Flip:
    """Invert one bit of the body on its way in: of this byte, counted from 0, or of the one in the middle."""

    byte: int | None = None


Action = Answer | Reset | Stall | PersistAtMost | LoseAnswer | Garble | Flip


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do to which requests. A request meets at most one fault: the first that matches.

    `path` is a regular expression, searched for in the path and query as they were sent (percent-encoded).
    The first `skip` matching requests go through; of the rest each `every`-th is hit, beginning with the first of them,
    and `times` in all (None: for ever).
    """

    action: Action
    method: str | None = None
    path: str = ""
    upload: UploadKind | None = None
    skip: int = 0
    every: int = 1
    times: int | None = 1

    def matches(self, method: str, target: str, upload: UploadKind | None) -> bool:
        return (
            self.method in (None, method) and self.upload in (None, upload) and re.search(self.path, target) is not None
        )


@dataclass(slots=True)
class _Armed:
    fault: Fault
    seen: int = field(default=0)
    struck: int = field(default=0)

    def strikes(self) -> bool:
        self.seen += 1
        strikes = self.seen > self.fault.skip and (self.seen - self.fault.skip - 1) % self.fault.every == 0
        self.struck += strikes
        return strikes

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times


class Faults:
    """The faults waiting for their requests. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._armed: list[_Armed] = []
        self._struck = 0

    def add(self, fault: Fault) -> None:
        with self._lock:
            self._armed.append(_Armed(fault))

    def clear(self) -> None:
        with self._lock:
            self._armed.clear()

    @property
    def struck(self) -> int:
        """How many requests met a fault so far."""
        with self._lock:
            return self._struck

    @property
    def pending(self) -> list[Fault]:
        """The faults not used up yet: a test that expects all of them to have happened sees none."""
        with self._lock:
            return [armed.fault for armed in self._armed]

    def take(self, method: str, target: str, upload: UploadKind | None) -> Action | None:
        """What shall happen to this request."""
        with self._lock:
            for armed in self._armed:
                if armed.fault.matches(method, target, upload) and armed.strikes():
                    self._struck += 1
                    if armed.spent:
                        self._armed.remove(armed)
                    return armed.fault.action
            return None
