"""What the service must never tell, and the check of all that it tells while the tests run.

Watched are its answers, its lines and its output, in this process and in those that tests start. A test in which one
of them holds a secret fails, whatever it is about.
"""

import logging
import re
import subprocess
from collections.abc import Callable, Generator, Iterator, Mapping
from functools import wraps
from typing import Any

import pytest
import requests
from werkzeug.wrappers import Request, Response

from replicator.dev import services
from replicator.telemetry import outcomes
from replicator.web.ingest import IngestDoors
from replicator.web.requests import SECRET_HEADER
from replicator.web.routing import Router

SHAPES = {
    "a signed token": r"\beyJ[\w-]{8,}\.[\w-]{8,}\.",
    "an upload session": r"upload_id=[\w-]{16,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a signed request": r"AWS4-HMAC-SHA256 Credential=|X-(?:Amz|Goog)-Signature=",
    "a bearer's header": r"(?i:authorization)\W{1,4}Bearer \w",
    "an access token": r"\bya29\.\w",
}
"""Secrets that show what they are."""

VARIABLES = ("INGEST_SECRETS", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "GCP_SA_KEY", "GCP_SA_KEY_B64")
HEADERS = ("Authorization", SECRET_HEADER)
"""Where other secrets are: these are known once a service is given one, or is sent one."""

SHORTEST = 12
"""Characters that a value must have to be known again: `test` is everywhere."""


class Canaries:
    """The secrets that are known, and in what they were seen since anybody asked."""

    def __init__(self) -> None:
        self.urls: set[str] = set()
        self._known: set[str] = set()
        self._shapes = re.compile("|".join(f"({shape})" for shape in SHAPES.values()))
        self._seen: list[str] = []

    def learn(self, *secrets: str) -> None:
        self._known |= {secret for secret in secrets if len(secret) >= SHORTEST}

    def look(self, told: object, where: str) -> None:
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
        if shape := self._shapes.search(text):
            self._seen.append(f"{list(SHAPES)[(shape.lastindex or 1) - 1]} in {where}: {shape[0][:16]}…")
        self._seen += [f"a secret in {where}: {secret[:6]}…" for secret in list(self._known) if secret in text]

    def seen(self) -> list[str]:
        seen, self._seen = self._seen, []
        return seen


canaries = Canaries()


def _look_at_answer(send: Callable[..., requests.Response]) -> Callable[..., requests.Response]:
    """Of a service in a process of its own."""

    @wraps(send)
    def watched(session: requests.Session, request: requests.PreparedRequest, **more: Any) -> requests.Response:
        answer = send(session, request, **more)
        if any((request.url or "").startswith(url) for url in canaries.urls):
            canaries.learn(*(str(request.headers[name]) for name in HEADERS if name in request.headers))
            canaries.look(answer.headers, "an answer's headers")
            if not more.get("stream"):
                canaries.look(answer.content, "an answer")
        return answer

    return watched


def _look_at_response(answer: Callable[[Router, Request], Response]) -> Callable[[Router, Request], Response]:
    """Of a service in this process."""

    @wraps(answer)
    def watched(router: Router, request: Request) -> Response:
        canaries.learn(*(request.headers[name] for name in HEADERS if name in request.headers))
        response = answer(router, request)
        canaries.look(response.headers, "an answer's headers")
        canaries.look(response.get_data(), "an answer")
        return response

    return watched


def _look_at_line(say: Callable[..., None]) -> Callable[..., None]:
    """One that is said in this process, at whatever level."""

    @wraps(say)
    def watched(level: int, message: str, fields: Mapping[str, Any]) -> None:
        canaries.look(f"{message} {fields}", "a line")
        say(level, message, fields)

    return watched


def _look_at_output(communicate: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    """Of a command."""

    @wraps(communicate)
    def watched(process: Any, *arguments: Any, **more: Any) -> tuple[Any, Any]:
        output = communicate(process, *arguments, **more)
        for stream in output:
            canaries.look(stream or "", "a command's output")
        return output

    return watched


def _look_at_printed(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """What a service in a process of its own prints."""

    @wraps(read)
    def watched(line: str) -> Any:
        canaries.look(line, "a service's output")
        return read(line)

    return watched


def _learn_environment(start: Callable[..., None]) -> Callable[..., None]:
    @wraps(start)
    def watched(service: services.Service, *arguments: Any) -> None:
        canaries.urls.add(service.url)
        for name in VARIABLES:
            canaries.learn(*service._environment.get(name, "").split(","))
        start(service, *arguments)

    return watched


def _learn_secrets(init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def watched(doors: IngestDoors, publisher: Any, secrets: Any, *more: Any) -> None:
        canaries.learn(*secrets)
        init(doors, publisher, secrets, *more)

    return watched


class _Lines(logging.Handler):
    """What modules of ours log for themselves."""

    def emit(self, record: logging.LogRecord) -> None:
        canaries.look(f"{record.getMessage()} {getattr(record, 'json_fields', '')}", "a line")


WATCHED = [
    (requests.Session, "send", _look_at_answer),
    (Router, "__call__", _look_at_response),
    (outcomes, "_say", _look_at_line),
    (subprocess.Popen, "communicate", _look_at_output),
    (services, "_outcome", _look_at_printed),
    (services.Service, "start", _learn_environment),
    (IngestDoors, "__init__", _learn_secrets),
]


@pytest.fixture(autouse=True, scope="session")
def _everything_told_is_watched() -> Iterator[None]:
    lines = _Lines()
    logging.getLogger("replicator").addHandler(lines)
    with pytest.MonkeyPatch.context() as patch:
        for owner, name, watching in WATCHED:
            patch.setattr(owner, name, watching(getattr(owner, name)))
        yield
    logging.getLogger("replicator").removeHandler(lines)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fails what has passed, if anything was told in it: by the test, or by what it shares with others."""
    report = yield
    for name, text in report.sections:
        if name.startswith(("Captured stdout", "Captured stderr")):  # libraries' own lines are no output of ours
            canaries.look(text, name)
    if (seen := canaries.seen()) and report.outcome == "passed":
        report.outcome = "failed"
        report.longrepr = "\n".join(["What must never be told was told:", *dict.fromkeys(seen)])
    return report
