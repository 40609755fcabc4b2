"""The doors behind what stands before them in the container: functions-framework's application, and gunicorn.

What they do to a path on its way must never make a request act on another key than was asked for.
"""

import json
import socket
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes, urlsplit

import functions_framework
import pytest
import requests
from werkzeug.test import EnvironBuilder, run_wsgi_app

from replicator import bootstrap
from replicator.dev.services import ROOT
from replicator.model import DestinationName, SourceKey
from replicator.web.ingest import IngestDoors
from replicator.web.requests import MAX_BODY_BYTES, MAX_DISCARDED_BYTES, SECRET_HEADER
from tests.servers import cloud_storage, s3_client
from tests.service.gunicorn import gunicorn
from tests.unit.web.doors import KEY, Service

MAIN = str(ROOT / "main.py")
ENVIRONMENT = {
    "replicate": {"K_SERVICE": "replicator", "SOURCE_S3_BUCKETS": "source", "TARGET_GCS_BUCKET": "replica"},
    "ingest": {"INGEST_SECRETS": "secret-of-the-tests", "PUBSUB_TOPIC": "projects/p/topics/t"},
}

KEYS = [
    *("k", "a/b", "a//b", "/leading", "//leading", "trailing/", "trailing//", "/", "//", "a%2Fb", "a+b", "a b", "%"),
    *(
        "100%25",
        "%25",
        "日本語",
        "naïve/Zoë",
        "🚀",
        "a?b",
        "a#b",
        "a;b=c",
        "a&b=c",
        "a/../b",
        "a/./b",
        "../a",
        "./a",
        "~",
    ),
    *("robots.txt", "favicon.ico", "static/x", "\x00", "\t", "a\\b", "<b>", "{key}", '"', "'", "x" * 1024, "é" * 512),
]
"""Destination names that Cloud Storage can hold."""

IMPOSSIBLE = ["..", ".", "a\nb", "a\r\nb", "\n", "k\n", "x" * 1025, "é" * 513, ".replicator/x"]


# --- functions-framework's application --------------------------------------------------------------------------------


class Front:
    """The application as functions-framework makes it from main.py, before doors on in-memory sides."""

    def __init__(self, target: str) -> None:
        self.service = Service()
        self.app = functions_framework.create_app(target, MAIN)

    def request(self, method: str, sent: str, body: object = None):
        """The request as gunicorn would hand it on: the path decoded, the query not."""
        path, _, query = sent.partition("#")[0].partition("?")
        decoded = unquote_to_bytes(path).decode("latin-1")
        environ = EnvironBuilder(method=method, json=body).get_environ()
        environ |= {"PATH_INFO": decoded, "QUERY_STRING": query, "RAW_URI": sent}
        chunks, status, headers = run_wsgi_app(self.app.wsgi_app, environ)
        return int(status.split()[0]), headers, b"".join(chunks)

    def replicate(self, *keys: str) -> None:
        for key in keys:
            self.service.source.put(SourceKey("source", key), key.encode())
            assert self.service.direct(SourceKey("source", key)).status_code == 201


@pytest.fixture
def front(monkeypatch, tmp_path):
    return _front("replicate", monkeypatch, tmp_path)


def _front(target, monkeypatch, tmp_path):
    for name, value in {"FUNCTION_TARGET": target, **ENVIRONMENT[target]}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    front = Front(target)
    monkeypatch.setattr(bootstrap, "replicate_doors", lambda: front.service.doors)
    monkeypatch.setattr(bootstrap, "ingest_doors", lambda: IngestDoors(lambda: None, ["secret-of-the-tests"]))
    return front


def like(key: str) -> set[str]:
    """Keys that a careless server or client could make of this one."""
    folded = "/".join(part for part in key.split("/") if part not in ("", ".", ".."))
    others = {key.strip("/"), key.rstrip("/"), key.lstrip("/"), folded, key.replace("%2F", "/"), key.replace("+", " ")}
    cut = {key.split(mark, maxsplit=1)[0] for mark in "?#;&"} | {key.strip()}
    return {other for other in {*others, *cut, "b", "%", "k"} if other and other not in IMPOSSIBLE} - {key}


FORMS = pytest.mark.parametrize(
    "form",
    [
        lambda key: f"/v1/object/replica/{quote(key, safe='/')}",
        lambda key: f"/v1/object/replica/{quote(key, safe='')}",
        lambda key: f"/v1/object?bucket=replica&key={quote(key, safe='')}",
    ],
    ids=["path", "path, slashes encoded", "query"],
)


@FORMS
@pytest.mark.parametrize("key", KEYS)
def test_a_request_acts_on_the_very_key_it_names(front, form, key):
    front.replicate(key, *like(key))
    before = set(front.service.destination.objects)
    status, _, body = front.request("GET", form(key))
    assert (status, json.loads(body)["destination"]) == (200, f"gs://replica/{key}")
    status, _, _ = front.request("HEAD", form(key))
    assert status == 200
    status, _, body = front.request("DELETE", form(key))
    assert (status, json.loads(body)["destination"]) == (200, f"gs://replica/{key}")
    assert before - set(front.service.destination.objects) == {DestinationName("replica", key)}
    assert front.request("DELETE", form(key))[0] == 404


@FORMS
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("key", IMPOSSIBLE)
def test_a_key_that_cannot_be_is_refused_and_nothing_is_touched(front, form, method, key):
    front.replicate("k", "b", "a")
    status, _, body = front.request(method, form(key))
    assert (status, json.loads(body)["reason"]) == (422, "destination_name_invalid")
    assert len(front.service.destination.objects) == 3


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("/v1/object/replica/k?b", 400),
        ("/v1/object/replica/k?", 400),
        ("/v1/object/replica/k#b", 400),
        ("/v1/object/replica/k?generation=1#b", 400),
        ("/v1/object/replica/k%ff", 400),
        ("/v1/object/replica/%ed%a0%80", 400),
        ("/v1/object/replica/%c0%af", 400),
        ("/v1/object/replica/", 404),
        ("/v1/object/replica", 404),
        ("/v1/object//k", 404),
        ("/v1/object/", 400),
        ("/v1/object", 400),
        ("/v1/object?bucket=replica&key=", 400),
        ("/v1/object?bucket=replica&key=k%ff", 400),
        ("/v1/object?bucket=replica&key=k&key=b", 400),
        ("/v1/object?bucket=replica&key=k#b", 400),
        ("/v1//object/replica/k", 404),
        ("/v1/./object/replica/k", 404),
        ("/v1/object/replica/../../object/replica/k", 404),
        ("/v1/object/other/../replica/k", 403),
    ],
)
def test_what_does_not_say_which_key_is_an_error(front, method, sent, status):
    front.replicate("k", "b")
    found, headers, body = front.request(method, sent)
    assert (found, headers["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(body)["status"] == status
    assert len(front.service.destination.objects) == 2


@pytest.mark.parametrize("target", ["replicate", "ingest"])
@pytest.mark.parametrize("path", ["/robots.txt", "/favicon.ico", "/static/x", "/a%0Ab", "//", "//x", "/v2", "/%ff"])
def test_any_other_path_is_answered_as_a_problem(monkeypatch, tmp_path, target, path):
    status, headers, body = _front(target, monkeypatch, tmp_path).request("GET", path)
    if (target, path) == ("replicate", "//"):
        assert status == 200  # the root, with a slash more
        return
    assert (status, headers["Content-Type"]) == (400 if path == "/%ff" else 404, "application/problem+json")
    assert json.loads(body)["reason"] in ("route_unknown", "request_malformed")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize("path", ["/", "/v1/replicate", "/v1/replicate:batch", "/v1/object/replica/k", "/docs"])
def test_other_methods_are_refused_with_those_that_are_allowed(front, method, path):
    status, headers, _ = front.request(method, path)
    assert (status, "Allow" in headers, headers["Content-Type"]) == (405, True, "application/problem+json")


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/replicate", {"bucket": "source", "key": "k"}, 201),
        ("POST", "/v1/replicate/", {"bucket": "source", "key": "k"}, 201),
        ("POST", "/v1/replicate:batch", {"items": [{"bucket": "source", "key": "k"}]}, 200),
        ("POST", "/v1/replicate:batch/", {"items": [{"bucket": "source", "key": "k"}]}, 200),
        ("POST", "/v1/replicate%3Abatch", {"items": [{"bucket": "source", "key": "k"}]}, 200),
        *(("GET", path, None, 200) for path in ("/", "/health/", "/ready/", "/openapi.json/", "/docs/")),
    ],
)
def test_every_door_is_reached(front, method, path, body, status):
    front.service.source.put(KEY, b"hello")
    assert front.request(method, path, body)[0] == status


POST_DOORS = {
    "replicate": ["/", "/v1/replicate", "/v1/replicate:batch"],
    "ingest": ["/v1/events"],
}


class Flood:
    """A body without an end, which nobody may read in large pieces, nor for ever."""

    def __init__(self) -> None:
        self.read_bytes = 0

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= MAX_BODY_BYTES + 1, "somebody reads it into memory"
        self.read_bytes += size
        assert self.read_bytes <= MAX_DISCARDED_BYTES + 2 * MAX_BODY_BYTES, "somebody reads it to its end"
        return b"a" * size


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("target", "path", "status"),
    [
        *((target, path, 413) for target, paths in POST_DOORS.items() for path in paths),
        ("replicate", "/nowhere", 404),
        ("ingest", "/nowhere", 404),
        ("replicate", "/health", 405),
    ],
)
def test_a_body_without_an_end_is_refused_as_documented_and_not_held(
    monkeypatch, tmp_path, target, path, status, chunked
):
    front, flood = _front(target, monkeypatch, tmp_path), Flood()
    environ = EnvironBuilder(method="POST", path=path, headers={SECRET_HEADER: "secret-of-the-tests"}).get_environ()
    length = {"wsgi.input_terminated": True} if chunked else {"CONTENT_LENGTH": str(10**12)}
    chunks, answered, headers = run_wsgi_app(front.app.wsgi_app, environ | length | {"wsgi.input": flood})
    assert (int(answered.split()[0]), headers["Content-Type"]) == (status, "application/problem+json")
    assert json.loads(b"".join(chunks))["status"] == status


# --- gunicorn ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def container(s3_url, tmp_path_factory):
    """gunicorn's address and the S3 behind it, with a few objects that were replicated."""
    s3 = s3_client(s3_url)
    s3.create_bucket(Bucket="source-bucket")
    keys = ["k", "a/b", "a//b", "/leading", "trailing/", "b", "a%2Fb", "日本語", "a?b", "a#b", "a/../b"]
    with (
        cloud_storage("replica-bucket") as storage,
        gunicorn(tmp_path_factory.mktemp("gunicorn"), s3_url, storage.url) as service,
    ):
        for key in keys:
            s3.put_object(Bucket="source-bucket", Key=key, Body=b"x")
        items = [{"bucket": "source-bucket", "key": key} for key in keys]
        status, body = send(service.url, "POST", "/v1/replicate:batch", json.dumps({"items": items}).encode())
        assert (status, {item["status"] for item in body["items"]}) == (200, {201})
        yield service.url
    for key in keys:
        s3.delete_object(Bucket="source-bucket", Key=key)
    s3.delete_bucket(Bucket="source-bucket")


def send(url: str, method: str, target: str, body: bytes = b"") -> tuple[int, dict]:
    """The request target as it is: clients would normalise and encode it."""
    address = urlsplit(url)
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        answered = b"".join(iter(lambda: connection.recv(65536), b""))
    headers, _, content = answered.partition(b"\r\n\r\n")
    return int(headers.split()[1]), json.loads(content) if b"json" in headers else {}


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("a%2fb", "a/b"),
        ("a//b", "a//b"),
        ("a/%2Fb", "a//b"),
        ("/leading", "/leading"),
        ("%2Fleading", "/leading"),
        ("trailing/", "trailing/"),
        ("a%252Fb", "a%2Fb"),
        (quote("日本語"), "日本語"),
        ("a%3Fb", "a?b"),
        ("a%23b", "a#b"),
        ("a/../b", "a/../b"),
        ("a/%2E%2E/b", "a/../b"),
    ],
)
def test_gunicorn_hands_on_the_very_key(container, target, key):
    status, answer = send(container, "GET", f"/v1/object/replica-bucket/{target}")
    assert (status, answer["destination"], answer["in_sync"]) == (200, f"gs://replica-bucket/{key}", True)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("a#b", 400),
        ("k#", 400),
        ("k?", 400),
        ("k?b", 400),
        ("a%ff", 400),
        ("..", 422),
        (".", 422),
        ("%2E%2E", 422),
        ("", 404),
        ("a%0Ab", 422),
        ("absent", 404),
        ("x" * 1025, 422),
    ],
)
def test_gunicorn_hands_on_no_other_key(container, target, status):
    found, problem = send(container, "DELETE", f"/v1/object/replica-bucket/{target}")
    assert (found, problem["status"]) == (status, status)


def test_a_path_that_is_not_utf_8_or_not_encoded_names_no_key(container):
    """What is not encoded at all never reaches a door."""
    for target in (quote_from_bytes(b"k\xff"), "日本語"):
        status, answer = send(container, "GET", f"/v1/object/replica-bucket/{target}")
        assert (status, answer["reason"]) == (400, "request_malformed")


def test_the_description_is_served_by_the_container(container):
    status, description = send(container, "GET", "/openapi.json")
    assert (status, description["openapi"]) == (200, "3.1.1")


def test_a_body_that_is_too_large_does_not_disturb_the_next_request_of_its_connection(container):
    with requests.Session() as session:
        for _ in range(2):
            refused = session.post(f"{container}/v1/replicate", data=b"a" * 3 * MAX_BODY_BYTES, timeout=60)
            assert (refused.status_code, refused.json()["reason"]) == (413, "body_too_large")
            assert session.get(f"{container}/health", timeout=60).json() == {"status": "ok"}


@pytest.mark.parametrize(("path", "status"), [("/v1/replicate", 400), ("/nowhere", 404), ("/health", 405)])
def test_a_body_whose_chunks_make_no_sense_is_the_callers_mistake_and_hides_no_answer(container, path, status):
    address = urlsplit(container)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
        connection.sendall(head.encode() + b"ZZ\r\nnonsense\r\n0\r\n\r\n")
        answered = b"".join(iter(lambda: connection.recv(65536), b""))
    headers, _, content = answered.partition(b"\r\n\r\n")
    assert (int(headers.split()[1]), json.loads(content)["status"]) == (status, status)
