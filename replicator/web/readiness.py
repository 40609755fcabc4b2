"""Whether each bucket of the rules can be used. Whoever asks may be a stranger, so asking often must cost nothing."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from threading import Lock

from werkzeug.wrappers import Request, Response

from replicator.engine import Engine
from replicator.errors import ReplicationError, Transient
from replicator.reasons import Reason
from replicator.telemetry import log_error
from replicator.web.answers import json_answer

Problems = Mapping[str, ReplicationError | None]

KEPT_SECONDS = 5.0
"""How long an answer of both sides is good for."""

PATIENCE_SECONDS = 4.0
"""How long somebody waits for it: no longer than the end of a process takes. A probe has given up by then."""


class Readiness:
    """Asks both sides in one thread, and never twice at a time: whoever comes meanwhile waits for the same answer."""

    def __init__(
        self,
        engine: Callable[[], Engine],
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine, self._patience, self._clock = engine, patience, clock
        self._lock, self._thread = Lock(), ThreadPoolExecutor(1, "readiness")
        self._latest: Future[Problems] | None = None
        self._good_until = 0.0

    def __call__(self, _request: Request) -> Response:
        """Raises what building the engine raises, and `Transient(out_of_time)` where a side hangs."""
        latest = self._good_or_new()
        wait([latest], self._patience)
        if not latest.done():
            raise Transient(Reason.OUT_OF_TIME)
        found = {bucket: str(error.reason) if error else "ok" for bucket, error in latest.result().items()}
        ready = all(verdict == "ok" for verdict in found.values())
        return json_answer(200 if ready else 503, {"status": "ready" if ready else "not ready", "checks": found})

    def _good_or_new(self) -> Future[Problems]:
        with self._lock:
            if self._latest is None or (self._latest.done() and self._clock() >= self._good_until):
                self._latest = self._thread.submit(copy_context().run, self._ask)
            return self._latest

    def _ask(self) -> Problems:
        try:
            problems = self._engine().check()
        finally:
            self._good_until = self._clock() + KEPT_SECONDS
        for error in problems.values():
            if error and error.reason is Reason.UNEXPECTED:
                log_error(error)
        return problems
