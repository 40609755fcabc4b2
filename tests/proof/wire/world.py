"""The service and what stands around it, as a cell of the table sees them."""

import io
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

import grpc
import requests
import urllib3
from google.auth.compute_engine import Credentials

from replicator.adapters.key_store import RefreshedKeys
from replicator.deadline import Deadline
from replicator.dev.push import Message, push_envelope
from replicator.engine import Engine
from replicator.model import AwsKeys
from tests.proof.wire.proxy import Proxy
from tests.proof.wire.s3 import S3

SOURCE, BY_ROLE, REPLICA = "source-bucket", "role-bucket", "replica-bucket"
STREAMED = "stream"
"""How the keys begin that are not to be copied in parts."""

KIB = 1024
INGEST_SECRET = "secret-of-ingest"


class Side(StrEnum):
    S3 = "S3"
    STORAGE = "Cloud Storage"
    SECRETS = "Secret Manager"
    PUBSUB = "Pub/Sub"
    STS = "STS"
    METADATA = "metadata server"


class Keys:
    """A key store that can forget, so that each copy may be the first one of a process."""

    def __init__(self, read: Callable[[], AwsKeys]) -> None:
        self._read = read
        self.forget()

    def forget(self) -> None:
        self._keys = RefreshedKeys(self._read, 300)

    def current(self) -> AwsKeys:
        return self._keys.current()

    def renew(self, rejected: AwsKeys) -> bool:
        return self._keys.renew(rejected)


@dataclass(slots=True)
class Clock:
    """In seconds; `skipped` are those that did not take any time."""

    skipped: float = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.skipped


@dataclass(frozen=True, slots=True)
class TimedEngine(Engine):
    """Its time can be made to be up."""

    clock: Clock = field(default_factory=Clock)

    def new_deadline(self) -> Deadline:
        return Deadline.after(self.deadline_seconds, self.clock)


@dataclass
class World:
    """`messages` are those that Pub/Sub has, `printed` is what the service logged, and `direct` a way to Cloud Storage
    past the proxy. After so many `deliveries` without a fault all has to be right."""

    url: str
    ingest_url: str
    s3: S3
    proxies: dict[Side, Proxy]
    engine: TimedEngine
    keys: Keys
    role_keys: Keys
    identity: Credentials
    messages: list[Message]
    printed: io.StringIO
    deliveries: int
    channels: dict[Side, grpc.Channel]
    direct: urllib3.HTTPConnectionPool
    http: requests.Session = field(default_factory=requests.Session)

    def push(self, event: object, message: Message | None = None) -> requests.Response:
        sent = message or Message("1", json.dumps(event).encode(), {}, datetime.now(UTC))
        return self.http.post(self.url, json=push_envelope(sent, "projects/p/subscriptions/s", 1), timeout=60)

    def ingest(self, event: object) -> requests.Response:
        headers = {"X-Ingest-Secret": INGEST_SECRET}
        return self.http.post(f"{self.ingest_url}/v1/events", json=event, headers=headers, timeout=60)

    def resource(self, key: str) -> dict[str, Any] | None:
        """The destination object's own description."""
        found = self.direct.request("GET", _object_path(key))
        return found.json() if found.status == 200 else None

    def content(self, key: str) -> bytes | None:
        found = self.direct.request("GET", f"{_object_path(key)}?alt=media")
        return found.data if found.status == 200 else None

    def temporaries(self) -> list[str]:
        listed = self.direct.request("GET", f"/storage/v1/b/{REPLICA}/o?prefix=.replicator/&versions=true")
        return [found["name"] for found in listed.json().get("items", ())]

    def remove(self, key: str) -> None:
        self.direct.request("DELETE", _object_path(key))

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        for side, proxy in self.proxies.items():
            struck = bool(proxy.strikes)
            proxy.clear()
            if struck and side in self.channels:  # else it may be waiting before it connects again
                with suppress(grpc.RpcError):
                    self.channels[side].unary_unary("/")(b"", wait_for_ready=True, timeout=30)
        self.engine.clock.skipped = 0.0


def _object_path(key: str) -> str:
    return f"/storage/v1/b/{REPLICA}/o/{quote(key, safe='')}"
