"""Routes, and the last edge: whatever a handler raises becomes an answer that says nothing of it."""

import json
import logging

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent, SourceMoved, Transient
from replicator.reasons import Reason
from replicator.web.routing import Router

SECRET = "do-not-show-this"


def raising(error: Exception):
    def handler(request):
        raise error

    return handler


@pytest.fixture
def client():
    def answer(text: str):
        return lambda request: Response(text)

    return Client(
        Request.application(
            Router(
                {
                    ("GET", "/"): answer("root"),
                    ("POST", "/"): answer("event"),
                    ("POST", "/v1/replicate"): answer("replicate"),
                    ("GET", "/permanent"): raising(Permanent(Reason.SOURCE_ARCHIVED, "it is")),
                    ("GET", "/transient"): raising(Transient(Reason.CONTENTION)),
                    ("GET", "/moved"): raising(SourceMoved(SECRET)),
                    ("GET", "/unexpected"): raising(ValueError(SECRET)),
                }
            )
        )
    )


@pytest.mark.parametrize(
    ("method", "path", "text"),
    [
        ("GET", "/", "root"),
        ("POST", "/", "event"),
        ("POST", "/v1/replicate", "replicate"),
        ("POST", "/v1/replicate/", "replicate"),
        ("POST", "/v1/replicate?bucket=b", "replicate"),
        ("POST", "/?x=/v1/replicate", "event"),
    ],
)
def test_a_method_and_a_path_have_a_handler(client, method, path, text):
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.text) == (200, text)


def test_what_can_be_got_has_a_head_without_a_body(client):
    answer = client.head("/")
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v1/replicate/k",
        "/V1/replicate",
        "//v1/replicate",
        "/v1//replicate",
        "/v1/replicate%2F..",
        "/../v1/replicate/..",
        "/%00",
        "/%ff",
        "/%0d%0aX: y",
        "/" + "x" * 5000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_nothing_at_any_other_path(client, path, method):
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.json["reason"]) == (404, "route_unknown")
    assert answer.mimetype == "application/problem+json"
    assert path not in answer.text.replace('"about:blank"', "")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/replicate", "POST"),
        ("HEAD", "/v1/replicate", "POST"),
        ("DELETE", "/v1/replicate", "POST"),
        ("OPTIONS", "/v1/replicate", "POST"),
        ("PUT", "/", "GET, HEAD, POST"),
        ("POST", "/permanent", "GET, HEAD"),
        ("BREW", "/permanent", "GET, HEAD"),
    ],
)
def test_another_method_is_refused_with_those_that_are_allowed(client, method, path, allowed):
    answer = client.open(path, method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, allowed)
    if method != "HEAD":
        assert json.loads(answer.text)["reason"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "status", "reason"), [("/permanent", 422, "source_archived"), ("/transient", 503, "contention")]
)
def test_an_error_becomes_its_answer_and_one_line(client, caplog, path, status, reason):
    answer = client.get(path)
    assert (answer.status_code, answer.json["reason"]) == (status, reason)
    (line,) = caplog.records
    assert (line.json_fields["reason"], line.json_fields["door"]) == (reason, f"GET {path}")


@pytest.mark.parametrize("path", ["/unexpected", "/moved"])
def test_an_unexpected_error_has_a_fixed_answer_and_one_line_without_its_text(client, caplog, path):
    answer = client.get(path)
    assert (answer.status_code, answer.json["reason"]) == (500, "unexpected")
    assert answer.json["detail"] == Reason.UNEXPECTED.explanation
    (line,) = caplog.records
    assert line.levelno == logging.ERROR
    assert SECRET not in f"{answer.text} {line.getMessage()} {line.json_fields}"


def test_what_nobody_could_know_is_not_logged(client, caplog):
    client.get("/nothing")
    client.get("/v1/replicate")
    assert caplog.records == []
