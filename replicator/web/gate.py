"""Who is let in: as many requests at once as there are places, and nobody once the process is about to end."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from threading import Semaphore

from werkzeug.wrappers import Response

from replicator.ending import Ending
from replicator.errors import Transient
from replicator.reasons import Reason

Door = tuple[str, str]
"""Method and path."""

FREE = frozenset(
    {("GET", "/"), ("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/docs"), ("GET", "/docs/<asset>")}
)
"""The doors that touch nothing outside. They need no place: that the house is full is no reason to be killed."""

BESIDE = frozenset({("GET", "/ready")})
"""The doors that ask outside and are open to strangers: their places are their own, none of those for work."""

PLACES_BESIDE = 4

TURNED_AWAY = frozenset({Reason.OVERLOADED, Reason.STOPPING})
"""Why somebody is not let in at any other, or let go without an answer."""


class Gate:
    """Whoever is not let in is told at once to come back: in the server's queue a request would wait unseen until its
    caller gives up, and then be carried out for nobody.

    Each request has a thread of its own to work in, so that the thread that answers it can do so in time, whatever the
    work hangs on.
    """

    def __init__(self, places: int, ending: Ending) -> None:
        self._inside, self._beside, self._ending = Semaphore(places), Semaphore(PLACES_BESIDE), ending
        self._threads = ThreadPoolExecutor(places + PLACES_BESIDE, "requests")

    def serve(self, door: Door, request: Callable[[], Response]) -> Response:
        """The answer to `request`. Raises `Transient(overloaded or stopping)` where there is none."""
        if door in FREE:
            return request()
        if self._ending.announced:
            raise Transient(Reason.STOPPING)
        places = self._beside if door in BESIDE else self._inside
        if not places.acquire(blocking=False):
            raise Transient(Reason.OVERLOADED)
        return self._ending.wait_for(self._threads.submit(copy_context().run, self._work, places, request))

    def _work(self, places: Semaphore, request: Callable[[], Response]) -> Response:
        try:
            return request()
        finally:
            places.release()  # before anybody has the answer: the next request may follow at once
