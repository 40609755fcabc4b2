"""The project's own ways: its engine alone, and the service as the container starts it, called over HTTP."""

import http.client
import json
import os
import queue
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from replicator.dev.services import Service
from replicator.dev.sockets import bind
from tests.bench.usage import Memory, peak_memory
from tests.bench.ways.library import Library
from tests.bench.ways.way import Started, Task, Way

ANSWER_SECONDS = 600
CREATED = 201


def variables(task: Task, *, stream: bool) -> dict[str, str]:
    """The configuration. With `stream` a rule forbids parts; without, the path is chosen by the service."""
    sides = {"AWS_ENDPOINT_URL_S3": task.sides.s3, "STORAGE_EMULATOR_HOST": task.sides.storage}
    if not stream:
        rule = {"SOURCE_S3_BUCKETS": task.source_bucket, "TARGET_GCS_BUCKET": task.destination_bucket}
    else:
        document = {
            "id": "bench",
            "source": {"bucket": task.source_bucket},
            "destination": {"bucket": task.destination_bucket},
            "parts": "never",
        }
        rule = {"REPLICATION_RULES": json.dumps({"rules": [document]})}
    return {**sides, **rule, **task.variables}


def engine(name: str, title: str, *, stream: bool) -> Library:
    return Library(
        name,
        title,
        "engine",
        lambda task: [task.source_bucket, str(task.at_once)],
        lambda task: variables(task, stream=stream),
    )


@dataclass(frozen=True, slots=True)
class Door:
    """Gunicorn as in the container, and a client that has one connection for each object that is copied at once. The
    client is not measured, though it shares the machine's cores."""

    name: str
    title: str
    stream: bool

    def missing(self) -> str | None:
        return None

    @contextmanager
    def start(self, task: Task) -> Iterator[Started]:
        with service(task, variables(task, stream=self.stream)) as running:
            called = _Called(running, task)
            try:
                yield called
            finally:
                called.close()


@contextmanager
def service(task: Task, configuration: Mapping[str, str]) -> Iterator[Service]:
    """The service, alive. Raises `RuntimeError`, with its last words, when it does not come to life."""
    last_words: list[str] = []
    ended = threading.Event()

    def die(why: str) -> None:
        last_words.append(why)
        ended.set()

    environment = task.environment(**configuration, AUTH="none", HOST="127.0.0.1", MAX_RETRIES="0")
    with bind(0) as bound:
        running = Service("replicate", bound, environment, lambda fields: None, lambda line: None, die)
        try:
            running.start(task.folder)
            running.wait_until_healthy(ended)
            if ended.is_set():
                raise RuntimeError(last_words[0])
            yield running
        finally:
            running.tell_to_end()
            with suppress(RuntimeError, ProcessLookupError):  # it was not started, or is gone
                os.killpg(running.process_id, signal.SIGKILL)  # nothing is under way that it should wait for
            running.stop()


class _Called:
    def __init__(self, running: Service, task: Task) -> None:
        self.pid = running.process_id
        self._bucket, self._at_once = task.source_bucket, task.at_once
        address = urlsplit(running.url).netloc
        self._connections: queue.SimpleQueue[http.client.HTTPConnection] = queue.SimpleQueue()
        self._all = [http.client.HTTPConnection(address, timeout=ANSWER_SECONDS) for _ in range(task.at_once)]
        for connection in self._all:
            self._connections.put(connection)

    def copy(self, keys: Sequence[str]) -> None:
        with ThreadPoolExecutor(self._at_once) as pool:
            list(pool.map(self._call, keys))

    def peak(self) -> Memory:
        return peak_memory(self.pid)

    def close(self) -> None:
        for connection in self._all:
            connection.close()

    def _call(self, key: str) -> None:
        connection = self._connections.get()
        try:
            body = json.dumps({"s3_bucket": self._bucket, "s3_key": key})
            connection.request("POST", "/v1/replicate", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
        finally:
            self._connections.put(connection)
        if answer.status != CREATED:
            raise RuntimeError(f"{key}: {answer.status} {text[:500].decode(errors='replace')}")


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Another way, with one object after the other."""

    name: str
    title: str
    way: Way

    def missing(self) -> str | None:
        return self.way.missing()

    @contextmanager
    def start(self, task: Task) -> Iterator[Started]:
        with self.way.start(replace(task, at_once=1)) as started:
            yield started
