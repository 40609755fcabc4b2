"""The doors of the target `replicate` over in-memory sides, with a client in front of them, and bodies to post."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.engine import Engine, RetryPolicy
from replicator.model import DestinationName, SourceKey
from replicator.ports import Publisher
from replicator.reconcile import Reconciler
from replicator.rules import Deletes, Foreign, Rule, RuleSet
from replicator.transfer import Transfer
from replicator.web.replicate import ReplicateDoors
from tests.fakes import InMemoryDestination, InMemorySource

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
SECRET = "do-not-show-this"


class FailingSource(InMemorySource):
    """Raises the error given for a key, when that is looked at."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.failures: dict[str, Exception] = {}
        self.looked_at: list[str] = []

    def stat(self, key: SourceKey):
        self.looked_at.append(key.key)
        if error := self.failures.get(key.key):
            raise error
        return super().stat(key)


@dataclass
class Scripted:
    """A reconciler that first raises what there is to raise for a destination, each error once."""

    reconciler: Reconciler
    errors: dict[str, list[Exception]]

    def reconcile(self, key, assignment, deadline, trail):
        if errors := self.errors.get(str(assignment.destination)):
            raise errors.pop(0)
        return self.reconciler.reconcile(key, assignment, deadline, trail)

    def __getattr__(self, name: str):
        return getattr(self.reconciler, name)


@dataclass
class FakePublisher:
    """Keeps what it publishes, or raises `error`; `on_publish` is told before."""

    published: list[tuple[bytes, dict[str, str]]] = field(default_factory=list)
    error: Exception | None = None
    on_publish: Callable[[], None] = lambda: None

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        self.on_publish()
        if self.error:
            raise self.error
        self.published.append((data, attributes))
        return str(4711 + len(self.published))


class Service:
    """The doors, both sides behind them, and a client in front of them.

    `errors` is what comes to pass first, by the URI of a destination. It has no topic, unless it is given a publisher.
    """

    def __init__(self, publisher: Publisher | None = None) -> None:
        self.errors: dict[str, list[Exception]] = {}
        self.publisher = publisher
        self.source = FailingSource("source")
        self.destination = InMemoryDestination({"replica"})
        self.deletes, self.foreign = Deletes.IGNORE, Foreign.OVERWRITE
        self.more_rules: tuple[Rule, ...] = ()
        self.deadline_seconds, self.max_retries = 60.0, 0
        self.built = 0
        self.doors = ReplicateDoors(self._engine, (lambda: publisher) if publisher else None)
        self.client = Client(Request.application(self.doors))

    def _engine(self) -> Engine:
        self.built += 1
        rule = Rule("default", frozenset({"source"}), "replica", self.deletes, self.foreign)
        rules = RuleSet((rule, *self.more_rules))
        transfer = Transfer(self.source, self.destination, 64 * 1024)
        retry = RetryPolicy(self.max_retries, 0, 1, lambda seconds: None)
        reconciler = Scripted(Reconciler(self.source, self.destination, transfer, rules), self.errors)
        return Engine(rules, reconciler, retry, self.deadline_seconds)

    def direct(self, key: SourceKey = KEY, **fields: object):
        return self.post("/v1/replicate", {"bucket": key.bucket, "key": key.key, **fields})

    def batch(self, *items: object):
        return self.post("/v1/replicate:batch", {"items": items})

    def event(self, *keys: SourceKey, path: str = "/"):
        events = [eventbridge(key) for key in keys or (KEY,)]
        return self.post(path, pushed(events[0] if len(events) == 1 else events))

    def post(self, path: str, document: object):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.client.post(path, data=body, content_type="application/json")


def eventbridge(key: SourceKey = KEY, kind: str = "Object Created") -> dict:
    detail = {"bucket": {"name": key.bucket}, "object": {"key": key.key}}
    return {"detail-type": kind, "source": "aws.s3", "time": "2026-01-01T00:00:00Z", "id": "e-1", "detail": detail}


def pushed(event: object, **fields: object) -> dict:
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    return {"message": {"data": base64.b64encode(data).decode(), "messageId": "1"}, "subscription": "s", **fields}
