"""The doors of the target `replicate` over in-memory sides, with a client in front of them, and bodies to post."""

import base64
import json

from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.engine import Engine, RetryPolicy
from replicator.model import DestinationName, SourceKey
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


class Service:
    """The doors, both sides behind them, and a client in front of them."""

    def __init__(self) -> None:
        self.source = FailingSource("source")
        self.destination = InMemoryDestination({"replica"})
        self.deletes, self.foreign = Deletes.IGNORE, Foreign.OVERWRITE
        self.more_rules: tuple[Rule, ...] = ()
        self.deadline_seconds, self.max_retries = 60.0, 0
        self.built = 0
        self.doors = ReplicateDoors(self._engine)
        self.client = Client(Request.application(self.doors))

    def _engine(self) -> Engine:
        self.built += 1
        rule = Rule("default", frozenset({"source"}), "replica", self.deletes, self.foreign)
        rules = RuleSet((rule, *self.more_rules))
        transfer = Transfer(self.source, self.destination, 64 * 1024)
        retry = RetryPolicy(self.max_retries, 0, 1, lambda seconds: None)
        return Engine(rules, Reconciler(self.source, self.destination, transfer, rules), retry, self.deadline_seconds)

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
