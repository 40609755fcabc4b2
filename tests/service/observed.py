"""The real service in a process of its own, as the container starts it, and every line it prints."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from replicator.dev import environment
from replicator.dev.services import Service
from replicator.dev.sockets import bind

REPLICATE = {"SOURCE_S3_BUCKETS": "source-bucket", "TARGET_GCS_BUCKET": "replica-bucket", "AUTH": "none"}


@dataclass
class Observed:
    """`lines` is what it printed, on either stream."""

    service: Service
    lines: list[str] = field(default_factory=list)
    answers: list[requests.Response] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.service.url

    def call(self, method: str, path: str, **request: Any) -> requests.Response:
        headers = {**self.headers, **request.pop("headers", {})}
        answer = requests.request(method, self.url + path, headers=headers, timeout=60, **request)
        self.answers.append(answer)
        return answer

    def replicate(self, key: str, bucket: str = "source-bucket", **request: Any) -> requests.Response:
        return self.call("POST", "/v1/replicate", json={"bucket": bucket, "key": key}, **request)

    def fields(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    def wait_for_line(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for line in self.fields():
                if wanted(line):
                    return line
            time.sleep(0.02)
        raise AssertionError(f"no such line in {self.lines}")


@contextmanager
def observed(folder: Path, target: str = "replicate", **variables: str) -> Iterator[Observed]:
    """A service under gunicorn; at the end of the block it has ended, and all of its lines are there."""
    lines: list[str] = []
    told = {**environment.inherited(), "HOST": "127.0.0.1", "LOG_LEVEL": "DEBUG", **variables}
    with bind(0) as bound:
        service = Service(
            target, bound, told, lambda fields: lines.append(json.dumps(fields)), lines.append, lambda why: None
        )
        service.start(folder)
        try:
            service.wait_until_healthy(threading.Event())
            yield Observed(service, lines)
        finally:
            service.stop()
