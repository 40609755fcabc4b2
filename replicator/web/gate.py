"""Who is let in: as many requests at once as there are places, and nobody once the process is about to end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Semaphore

from werkzeug.wrappers import Response

from replicator.ending import Ending
from replicator.errors import Transient
from replicator.reasons import Reason

FREE = frozenset(
    {("GET", "/"), ("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/<asset>")}
)
"""The doors that touch nothing outside. They need no place: that the house is full is no reason to be killed."""

TURNED_AWAY = frozenset({Reason.OVERLOADED, Reason.STOPPING})
"""Why somebody is not let in at any other, or let go without an answer."""


class Gate:
    """Whoever is not let in is told at once to come back: in the server's queue a request would wait unseen until its
    caller gives up, and then be carried out for nobody.

    Each request has a thread of its own to work in, so that the thread that answers it can do so in time, whatever the
    work hangs on.
    """

    def __init__(self, places: int, ending: Ending) -> None:
        self._free, self._ending = Semaphore(places), ending
        self._threads = ThreadPoolExecutor(places, "requests")

    def serve(self, request: Callable[[], Response]) -> Response:
        """The answer to `request`. Raises `Transient(overloaded or stopping)` where there is none."""
        if self._ending.announced:
            raise Transient(Reason.STOPPING)
        if not self._free.acquire(blocking=False):
            raise Transient(Reason.OVERLOADED)
        return self._ending.wait_for(self._threads.submit(copy_context().run, self._work, request))

    def _work(self, request: Callable[[], Response]) -> Response:
        try:
            return request()
        finally:
            self._free.release()  # before anybody has the answer: the next request may follow at once
