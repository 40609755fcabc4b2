"""The door of the target `ingest`: takes events from EventBridge's API destination and makes them durable."""

import hmac
from collections.abc import Callable, Sequence

from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent
from replicator.events import decode_json, message_attributes, parse_document
from replicator.model import Change
from replicator.ports import Publisher
from replicator.reasons import Reason
from replicator.telemetry import log_published
from replicator.web.answers import acknowledged, json_answer
from replicator.web.gate import Gate
from replicator.web.openapi_doors import INGEST
from replicator.web.pages import openapi
from replicator.web.requests import SECRET_HEADER, read_body
from replicator.web.routing import Router


class IngestDoors:
    """Only publishes: EventBridge waits 5 s and does not care what becomes of the event.

    A wrong secret is answered with 403; 401 would make EventBridge give up the whole connection. The publisher is asked
    for when it is needed, for it must not be built before gunicorn forks.
    """

    def __init__(self, publisher: Callable[[], Publisher], secrets: Sequence[str], gate: Gate | None = None) -> None:
        self._publisher = publisher
        self._secrets = [secret.encode() for secret in secrets]
        self._router = Router(
            {
                ("POST", "/v1/events"): self.events,
                ("GET", "/health"): self.health,
                ("GET", "/openapi.json"): openapi(INGEST),
            },
            gate,
        )

    def __call__(self, request: Request) -> Response:
        return self._router(request)

    def health(self, _request: Request) -> Response:
        return json_answer(200, {"status": "ok"})

    def events(self, request: Request) -> Response:
        """Acknowledges once Pub/Sub has the event, unread: what it means is for the subscriber to find out."""
        if not self._is_known(request.headers.get(SECRET_HEADER, "")):
            raise Permanent(Reason.INGEST_SECRET_WRONG)
        body = read_body(request)
        attributes = _attributes(decode_json(body))
        message_id = self._publisher().publish(body, attributes)
        log_published(message_id, attributes)
        return acknowledged()

    def _is_known(self, given: str) -> bool:
        """In constant time, and against every secret, so that the time tells nothing."""
        candidate = given.encode("latin-1", "replace")  # the bytes as they were sent (PEP 3333)
        return sum(hmac.compare_digest(candidate, secret) for secret in self._secrets) > 0


def _attributes(document: object) -> dict[str, str]:
    """For subscriptions to filter by; of the first change where there are several, else the type that is ignored."""
    try:
        notices = parse_document(document)
    except Permanent:
        return {}  # published all the same: it becomes a dead letter that somebody can look at
    change = next((notice for notice in notices if isinstance(notice, Change)), None)
    return message_attributes(change) if change else {"kind": notices[0].kind}
