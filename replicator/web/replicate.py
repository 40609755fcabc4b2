"""The doors of the target `replicate`."""

from collections.abc import Callable

from werkzeug.wrappers import Request, Response

from replicator.engine import Engine
from replicator.events import decode_json, looks_like_event
from replicator.ports import Publisher
from replicator.web.answers import direct_answer, json_answer
from replicator.web.auth import Guard
from replicator.web.batch import BatchDoor
from replicator.web.calls import Calls
from replicator.web.event import EventDoor
from replicator.web.gate import Door, Gate
from replicator.web.objects import ObjectDoors
from replicator.web.openapi_auth import guarded
from replicator.web.openapi_doors import REPLICATE
from replicator.web.pages import docs, docs_asset, openapi
from replicator.web.readiness import Readiness
from replicator.web.requests import read_body, read_direct, read_json
from replicator.web.routing import Handler, Router


class ReplicateDoors:
    """Turns requests into calls of the engine.

    Without a `publisher` nothing is handed over to fresh messages. Without a `guard` it is somebody else who checks
    callers. Without a `gate` everybody is served at once.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        publisher: Callable[[], Publisher] | None = None,
        guard: Guard | None = None,
        gate: Gate | None = None,
    ) -> None:
        self._calls = Calls(engine)
        self._events = EventDoor(self._calls, publisher)
        batch, objects = BatchDoor(self._calls), ObjectDoors(engine)
        handlers: dict[Door, Handler] = {
            ("GET", "/"): self.root,
            ("POST", "/"): self.event,
            ("POST", "/v1/replicate"): self.replicate,
            ("POST", "/v1/replicate:batch"): batch.replicate,
            ("GET", "/v1/object"): objects.status,
            ("DELETE", "/v1/object"): objects.delete,
            ("GET", "/v1/object/<bucket>/<key:key>"): objects.status,
            ("DELETE", "/v1/object/<bucket>/<key:key>"): objects.delete,
            ("GET", "/health"): self.health,
            ("GET", "/ready"): Readiness(engine),
            ("GET", "/openapi.json"): openapi(guarded(REPLICATE) if guard else REPLICATE),
            ("GET", "/docs"): docs,
            ("GET", "/docs/<asset>"): docs_asset,
        }
        self._router = Router(guard.before(handlers) if guard else handlers, gate)

    def __call__(self, request: Request) -> Response:
        return self._router(request)

    def root(self, _request: Request) -> Response:
        """What this is, and where it is described."""
        return json_answer(200, {"service": "replicator", "openapi": "/openapi.json", "docs": "/docs"})

    def health(self, _request: Request) -> Response:
        """Liveness: touches nothing outside this process."""
        return json_answer(200, {"status": "ok"})

    def replicate(self, request: Request) -> Response:
        """A direct call, or an event in any envelope: the body decides, and with it the meaning of the answer."""
        document = read_json(read_body(request))
        if looks_like_event(document):
            return self._events.follow(document)
        call = read_direct(document)
        occasion, deadline = call.occasion("direct"), self._calls.new_deadline()
        return direct_answer(self._calls.replicate(call.source, occasion, deadline, call.to, dry_run=call.dry_run))

    def event(self, request: Request) -> Response:
        """Pub/Sub push and Eventarc: see `EventDoor`."""
        return self._events.follow(decode_json(read_body(request)))
