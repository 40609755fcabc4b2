"""The real doors on the real adapters, over HTTP, between an embedded S3 and the embedded Cloud Storage."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from replicator.dev.cloud_storage import CloudStorageServer
from replicator.engine import Engine, RetryPolicy
from replicator.ports import Publisher
from replicator.reconcile import Reconciler
from replicator.rules import Deletes, Rule, RuleSet
from replicator.transfer import Memory, Transfer
from replicator.web.replicate import ReplicateDoors
from tests.proof.wire.proxy import Proxy
from tests.servers import cloud_storage, gcs_destination, listening, moto, s3_client, s3_source

SOURCE, REPLICA = "source-bucket", "replica-bucket"


@dataclass
class Service:
    """A running service and what a user of it sees."""

    url: str
    s3: Any
    storage: CloudStorageServer
    http: requests.Session = field(default_factory=requests.Session)

    def replicate(self, key: str, bucket: str = SOURCE) -> requests.Response:
        return self.http.post(f"{self.url}/v1/replicate", json={"s3_bucket": bucket, "s3_key": key}, timeout=60)

    def push(self, envelope: object) -> requests.Response:
        return self.http.post(f"{self.url}/", json=envelope, timeout=60)

    def put(self, key: str, data: bytes, **properties: object) -> None:
        self.s3.put_object(Bucket=SOURCE, Key=key, Body=data, **properties)

    def delete(self, key: str) -> None:
        self.s3.delete_object(Bucket=SOURCE, Key=key)

    def resource(self, key: str) -> dict[str, Any] | None:
        """The destination object's own description, straight from Cloud Storage's API."""
        response = self.http.get(self._object_url(key), timeout=60)
        return response.json() if response.status_code == 200 else None

    def visible(self, key: str) -> bytes | None:
        """The destination's bytes as they are stored."""
        response = requests.get(
            self._object_url(key), params={"alt": "media"}, headers={"Accept-Encoding": "gzip"}, stream=True, timeout=60
        )
        return response.raw.read(decode_content=False) if response.status_code == 200 else None

    def writes(self, key: str = "") -> int:
        """How many requests that could write an object Cloud Storage served successfully."""
        return sum(
            served.method in ("POST", "PATCH", "DELETE") and 200 <= served.status < 300 and key in served.path
            for served in self.storage.requests
        )

    def _object_url(self, key: str) -> str:
        return f"{self.storage.url}/storage/v1/b/{REPLICA}/o/{requests.utils.quote(key, safe='')}"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with moto() as url:
        yield url


@contextmanager
def serving(
    s3_url: str,
    deletes: Deletes = Deletes.PROPAGATE,
    source_url: str | None = None,
    rules: RuleSet | None = None,
    deadline_seconds: float = 60,
    memory: Memory | None = None,
    publisher: Publisher | None = None,
    **rule: Any,
) -> Iterator[Service]:
    """One service on empty buckets; it reads through `source_url`, if that is another way to the same S3.

    Without `rules` it has one, from `SOURCE` to `REPLICA`.
    """
    client = s3_client(s3_url)
    client.create_bucket(Bucket=SOURCE)
    one_rule = RuleSet((Rule("default", frozenset({SOURCE, "missing-bucket"}), REPLICA, deletes, **rule),))
    rules = rules or one_rule
    try:
        with cloud_storage(REPLICA) as storage:
            source = s3_source(source_url or s3_url, tag_filtered=rules.tag_filtered_buckets)
            destination = gcs_destination(storage.url)
            memory, workers = memory or Memory(128 * 1024**2), ThreadPoolExecutor(16)
            transfer = Transfer(source, destination, 256 * 1024, memory=memory, workers=workers)
            reconciler = Reconciler(source, destination, transfer, rules)
            engine = Engine(rules, reconciler, RetryPolicy(3, 0.01, 1.0), deadline_seconds)
            with listening(ReplicateDoors(lambda: engine, (lambda: publisher) if publisher else None)) as url:
                yield Service(url, client, storage)
    finally:
        for found in client.list_objects_v2(Bucket=SOURCE).get("Contents", ()):
            client.delete_object(Bucket=SOURCE, Key=found["Key"])
        client.delete_bucket(Bucket=SOURCE)


@pytest.fixture
def service(s3_url: str) -> Iterator[Service]:
    with serving(s3_url) as running:
        yield running


@pytest.fixture
def faulty_source(s3_url: str) -> Iterator[tuple[Service, Proxy]]:
    """A service that reads the source through a proxy, and the proxy."""
    with Proxy(s3_url) as proxy, serving(s3_url, source_url=proxy.url) as running:
        yield running, proxy
