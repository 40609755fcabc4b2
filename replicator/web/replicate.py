"""The doors of the target `replicate`."""

from collections.abc import Callable, Mapping

from werkzeug.wrappers import Request, Response

from replicator.deadline import Deadline
from replicator.engine import Engine
from replicator.errors import ReplicationError
from replicator.events import decode_json, looks_like_event, parse_document
from replicator.model import Failure, IgnoredEvent, Notice
from replicator.reasons import Reason
from replicator.telemetry import Occasion, describe_request, log_error, log_ignored
from replicator.web.answers import acknowledged, direct_answer, error_answer, error_status, json_answer
from replicator.web.batch import BatchDoor
from replicator.web.calls import Calls
from replicator.web.objects import ObjectDoors
from replicator.web.openapi_doors import REPLICATE
from replicator.web.pages import docs, docs_asset, openapi
from replicator.web.requests import read_body, read_direct, read_json
from replicator.web.routing import Router


class ReplicateDoors:
    """Turns requests into calls of the engine."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine
        self._calls = Calls(engine)
        batch, objects = BatchDoor(self._calls), ObjectDoors(engine)
        self._router = Router(
            {
                ("GET", "/"): self.root,
                ("POST", "/"): self.event,
                ("POST", "/v1/replicate"): self.replicate,
                ("POST", "/v1/replicate:batch"): batch.replicate,
                ("GET", "/v1/object"): objects.status,
                ("DELETE", "/v1/object"): objects.delete,
                ("GET", "/v1/object/<bucket>/<key:key>"): objects.status,
                ("DELETE", "/v1/object/<bucket>/<key:key>"): objects.delete,
                ("GET", "/health"): self.health,
                ("GET", "/ready"): self.ready,
                ("GET", "/openapi.json"): openapi(REPLICATE),
                ("GET", "/docs"): docs,
                ("GET", "/docs/<asset>"): docs_asset,
            }
        )

    def __call__(self, request: Request) -> Response:
        return self._router(request)

    def root(self, _request: Request) -> Response:
        """What this is, and where it is described."""
        return json_answer(200, {"service": "replicator", "openapi": "/openapi.json", "docs": "/docs"})

    def health(self, _request: Request) -> Response:
        """Liveness: touches nothing outside this process."""
        return json_answer(200, {"status": "ok"})

    def ready(self, _request: Request) -> Response:
        """Readiness: whether each bucket of the rules can be used."""
        problems = self._engine().check()
        for error in problems.values():
            if error and error.reason is Reason.UNEXPECTED:
                log_error(error)
        found = {bucket: str(error.reason) if error else "ok" for bucket, error in problems.items()}
        ready = all(verdict == "ok" for verdict in found.values())
        return json_answer(200 if ready else 503, {"status": "ready" if ready else "not ready", "checks": found})

    def replicate(self, request: Request) -> Response:
        """A direct call, or an event in any envelope: the body decides, and with it the meaning of the answer."""
        document = read_json(read_body(request))
        if looks_like_event(document):
            return self._follow(document)
        call = read_direct(document)
        occasion, deadline = call.occasion("direct"), self._calls.new_deadline()
        return direct_answer(self._calls.replicate(call.source, occasion, deadline, call.to, dry_run=call.dry_run))

    def event(self, request: Request) -> Response:
        """Pub/Sub push and Eventarc: acknowledged when everything the message asks for is done, or needs nothing."""
        return self._follow(decode_json(read_body(request)))

    def _follow(self, document: object) -> Response:
        describe_request(message_id=_message_id(document), delivery_attempt=_delivery_attempt(document))
        deadline = self._calls.new_deadline()
        failures = [error for notice in parse_document(document) for error in self._follow_notice(notice, deadline)]
        # The status matters to people only: whatever it is, Pub/Sub delivers the message as a whole again.
        return error_answer(max(failures, key=error_status)) if failures else acknowledged()

    def _follow_notice(self, notice: Notice, deadline: Callable[[], Deadline]) -> list[ReplicationError]:
        if isinstance(notice, IgnoredEvent):
            log_ignored(notice, Occasion("event"))
            return []
        results = self._calls.replicate(notice.source, Occasion("event", notice), deadline)
        return [result.error for result in results if isinstance(result, Failure)]


def _message_id(document: object) -> str | None:
    """Pub/Sub's id of this message, if it looks like one."""
    message = document.get("message") if isinstance(document, Mapping) else None
    given = message.get("messageId") if isinstance(message, Mapping) else None
    return given if isinstance(given, str) and given.isascii() and given.isalnum() and len(given) <= 64 else None


def _delivery_attempt(document: object) -> int | None:
    """How often Pub/Sub has delivered this message, where it says so. `decode_json` reads every number as a float."""
    attempt = document.get("deliveryAttempt") if isinstance(document, Mapping) else None
    return int(attempt) if isinstance(attempt, float) and attempt.is_integer() else None
