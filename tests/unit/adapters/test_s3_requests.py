"""Lean requests: they go where the SDK's go and are signed for the same, and what they cannot do the SDK does."""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from io import BytesIO
from ipaddress import IPv4Address
from pathlib import Path

import pytest
import urllib3
from botocore.awsrequest import AWSResponse
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from replicator.adapters.s3 import READ_TIMEOUT, S3Source, connect
from replicator.errors import Permanent, Transient
from replicator.model import SourceKey
from replicator.reasons import Reason
from tests.scripted_s3 import KEY, MD5, MODIFIED_HEADER, Answer, ScriptedS3, error, found, pinned, read, scripted_s3

KEYS = ["k", "a b", "a+b", "a%2Fb", "a/b//c/", "/lead", "a/./b/../c", "ü/日本", "🚀", "x?y#z&w", "~-._", "*'()!:@$,;="]


def content(source: S3Source, key: SourceKey = KEY) -> bytes:
    with source.read(key) as (state, body):
        data = bytearray(state.size)
        filled = 0
        while count := body.readinto(memoryview(data)[filled:]):
            filled += count
    return bytes(data)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> Path:
    """A file with a key and a certificate, of its own making, for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file = tmp_path_factory.mktemp("certificate") / "server.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, *plain) + signed.public_bytes(pem))
    return file


@pytest.fixture
def lean(s3: ScriptedS3, first_source: S3Source) -> S3Source:
    """A source to which the SDK has shown the way."""
    s3.script.append(found())
    first_source.stat(KEY)
    s3.requests.clear()
    return first_source


def test_the_first_request_for_a_bucket_is_the_sdk_s_and_later_ones_are_lean(s3, first_source):
    """It fails also when the SDK or urllib3 moves one of the private names that lean requests rest on."""
    s3.script += [found(), found(b"hello"), found(b"hello"), found(length=5), found()]
    first_source.stat(KEY)
    assert content(first_source) == b"hello"
    assert read(first_source, pinned()) == b"hello"
    first_source.stat(KEY)
    first_source.stat(SourceKey("other", "k"))
    assert [(request.method, request.is_lean) for request in s3.requests] == [
        ("HEAD", False),
        ("GET", True),
        ("GET", True),
        ("HEAD", True),
        ("HEAD", False),
    ]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("version", [None, "v/1+~%"])
def test_a_lean_request_is_for_the_same_object_as_the_sdk_s(s3, first_source, key, version):
    state = pinned(key=SourceKey("source", key), version_id=version)
    headers = {"x_amz_version_id": version} if version else {}
    for _ in range(2):
        s3.script.append(found(b"hello", **headers))
        read(first_source, state)
    by_sdk, lean = s3.requests
    assert (by_sdk.is_lean, lean.is_lean) == (False, True)
    assert lean.target == by_sdk.target
    for name in ("host", "if-match", "x-amz-content-sha256", "accept-encoding"):
        assert lean.headers[name] == by_sdk.headers[name]
    assert lean.headers["user-agent"].startswith("Boto3/")


# --- Where requests go ------------------------------------------------------------------------------------------------


class Sent:
    """In place of the network: keeps what is sent, and answers."""

    def __init__(self, monkeypatch, aws_environment, region: str = "eu-west-1", **environment: str) -> None:
        monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        self.client = connect(None, region, 1)
        self.requests: list[tuple[str, str]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        monkeypatch.setattr(self.client._endpoint.http_session, "send", self._send)
        self.source = S3Source(self.client)

    def _send(self, request) -> AWSResponse:
        text = request.headers["authorization"]
        text = text.decode() if isinstance(text, bytes) else text
        self.requests.append((request.url, re.search("Credential=[A-Z]+/[0-9]+/([^,]+)/aws4_request", text)[1]))
        status, headers = self.answers.pop(0) if self.answers else (200, {})
        fields = {"ETag": f'"{MD5}"', "Last-Modified": MODIFIED_HEADER, "Content-Length": "5", **headers}
        return AWSResponse(request.url, status, fields, _Raw())


class _Raw(BytesIO):
    """What urllib3 has of an answer without a body."""

    length = 0

    @property
    def _fp(self):
        return self

    def release_conn(self) -> None:
        pass

    def stream(self, *args, **kwargs):
        return iter(())


@pytest.mark.parametrize(
    ("bucket", "environment", "url", "scope"),
    [
        ("source", {}, "https://source.s3.eu-west-1.amazonaws.com/k", "eu-west-1/s3"),
        ("dotted.source", {}, "https://s3.eu-west-1.amazonaws.com/dotted.source/k", "eu-west-1/s3"),
        (
            "source",
            {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
            "https://source.s3.dualstack.eu-west-1.amazonaws.com/k",
            "eu-west-1/s3",
        ),
        (
            "source",
            {"AWS_USE_FIPS_ENDPOINT": "true"},
            "https://source.s3-fips.eu-west-1.amazonaws.com/k",
            "eu-west-1/s3",
        ),
        (
            "arn:aws:s3:eu-west-1:111122223333:accesspoint/point",
            {},
            "https://point-111122223333.s3-accesspoint.eu-west-1.amazonaws.com/k",
            "eu-west-1/s3",
        ),
        (
            "arn:aws:s3-object-lambda:eu-west-1:111122223333:accesspoint/point",
            {},
            "https://point-111122223333.s3-object-lambda.eu-west-1.amazonaws.com/k",
            "eu-west-1/s3-object-lambda",
        ),
        (
            "source",
            {"AWS_ENDPOINT_URL_S3": "https://s3.example/api"},
            "https://s3.example/api/source/k",
            "eu-west-1/s3",
        ),
        ("source", {"AWS_ENDPOINT_URL_S3": "http://s3.example:80"}, "http://s3.example:80/source/k", "eu-west-1/s3"),
    ],
)
def test_lean_requests_go_where_the_sdk_s_go(monkeypatch, aws_environment, bucket, environment, url, scope):
    sent = Sent(monkeypatch, aws_environment, **environment)
    for _ in range(2):
        assert sent.source.stat(SourceKey(bucket, "k"))
    assert sent.requests == [(url, scope)] * 2
    assert sent.source._lean.send("HEAD", SourceKey(bucket, "k")) is not None
    sent.client.close()


MULTI_REGION = "arn:aws:s3::111122223333:accesspoint/mfzwi23gnjvgw.mrap"


def test_what_is_signed_in_another_way_is_left_to_the_sdk(monkeypatch, aws_environment):
    sent = Sent(monkeypatch, aws_environment)
    monkeypatch.setattr(sent.client._endpoint.http_session, "send", lambda request: AWSResponse("", 403, {}, _Raw()))
    with pytest.raises(Permanent, match="source_access_denied"):
        sent.source.stat(SourceKey(MULTI_REGION, "k"))
    assert sent.source._lean.send("HEAD", SourceKey(MULTI_REGION, "k")) is None
    sent.client.close()


def test_after_a_redirect_lean_requests_go_to_the_other_region(monkeypatch, aws_environment):
    sent = Sent(monkeypatch, aws_environment)
    sent.answers += [(301, {"x-amz-bucket-region": "us-west-2"})]
    for _ in range(2):
        assert sent.source.stat(KEY)
    there = "https://source.s3.us-west-2.amazonaws.com/k", "us-west-2/s3"
    assert sent.requests == [("https://source.s3.eu-west-1.amazonaws.com/k", "eu-west-1/s3"), there, there]
    sent.client.close()


def test_a_bucket_that_is_elsewhere_now_is_followed_by_the_sdk(monkeypatch, aws_environment):
    sent = Sent(monkeypatch, aws_environment)
    assert sent.source.stat(KEY)
    sent.answers += [(301, {"x-amz-bucket-region": "us-west-2"})] * 2
    for _ in range(2):
        assert sent.source.stat(KEY)
    regions = [scope.partition("/")[0] for _, scope in sent.requests]
    assert regions == ["eu-west-1", "eu-west-1", "eu-west-1", "us-west-2", "us-west-2"]
    sent.client.close()


def test_a_proxy_is_used_by_all(s3, aws_environment, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://s3.example")
    monkeypatch.setenv("HTTP_PROXY", s3.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    client = connect(None, "us-east-1", 1)
    source = S3Source(client)
    s3.script += [found(), found()]
    for _ in range(2):
        assert source.stat(KEY)
    assert [(request.target, request.is_lean) for request in s3.requests] == [
        ("http://s3.example/source/k", False),
        ("http://s3.example/source/k", True),
    ]
    client.close()


def test_certificates_are_checked_as_the_sdk_checks_them(s3, aws_environment, monkeypatch, tmp_path, certificate):
    with scripted_s3(certificate) as server:
        server.script += [found(b"hello"), found(b"hello"), found(b"hello")]
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        client = connect(None, "us-east-1", 1)
        source = S3Source(client)
        assert [content(source) for _ in range(3)] == [b"hello"] * 3
        assert [request.is_lean for request in server.requests] == [False, True, True]
        assert server.connections == 1
        client.close()

        monkeypatch.delenv("AWS_CA_BUNDLE")
        client = connect(None, "us-east-1", 1)
        distrustful = S3Source(client)
        distrustful._lean._routes |= source._lean._routes
        assert distrustful._lean.send("HEAD", KEY) is None
        client.close()


# --- What does not succeed --------------------------------------------------------------------------------------------


def test_an_absent_object_costs_two_requests(s3, lean):
    s3.script += [error(404), error(404, "NoSuchKey")]
    assert lean.stat(KEY) is None
    assert [(request.method, request.is_lean) for request in s3.requests] == [("HEAD", True), ("GET", False)]


@pytest.mark.parametrize("answer", [error(503), error(500), error(429), Answer(cut="unanswered")])
def test_a_lean_head_that_fails_is_repeated_by_the_sdk(s3, lean, answer):
    s3.script += [answer, found(length=5)]
    assert lean.stat(KEY).size == 5
    assert [request.is_lean for request in s3.requests] == [True, False]


@pytest.mark.parametrize("answer", [error(503, "SlowDown"), error(500, "InternalError"), error(429, "TooManyRequests")])
def test_a_lean_get_that_fails_is_repeated_by_the_sdk(s3, lean, answer):
    s3.script += [answer, found(b"hello")]
    assert content(lean) == b"hello"
    assert len(s3.refused_lean) == 1
    assert [request.is_lean for request in s3.requests] == [False, False]


def test_a_server_that_stays_down_is_transient(s3, lean):
    s3.script += [Answer(cut="unanswered")] * 4
    with pytest.raises(Transient) as down:
        lean.stat(KEY)
    assert down.value.reason is Reason.SOURCE_UNAVAILABLE


def test_without_credentials_each_request_says_so(s3, connected, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    source = connected()
    for _ in range(2):
        with pytest.raises(Transient) as none:
            source.stat(KEY)
        assert none.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert s3.requests == []


# --- Connections ------------------------------------------------------------------------------------------------------


@pytest.fixture
def connections(s3, lean):
    """How many were opened by what a test did. There is one that waits to be used."""
    before = s3.connections
    return lambda: s3.connections - before


def test_connections_are_used_again_when_all_was_read(s3, lean, connections):
    s3.script += [
        found(b"hello"),
        found(b"hello"),
        found(b""),
        found(b""),
        found(length=5),
        found(b"hello"),
    ]
    assert content(lean) == b"hello"
    assert read(lean, pinned()) == b"hello"
    assert content(lean) == b""
    assert read(lean, pinned(size=0)) == b""
    assert lean.stat(KEY)
    assert content(lean) == b"hello"
    assert connections() == 0


def test_bytes_go_from_the_socket_into_the_buffer(s3, lean, monkeypatch):
    """Not by way of urllib3's `read`, as in its own `readinto`."""
    monkeypatch.setattr(urllib3.HTTPResponse, "read", lambda *args, **kwargs: pytest.fail("it was copied"))
    s3.script.append(found(b"hello"))
    assert content(lean) == b"hello"


def test_a_connection_with_bytes_that_nobody_wants_is_closed_not_drained(s3, lean, connections):
    size = 50_000_000
    s3.script += [found(b"hello", length=size), found(b"hello", length=size), found(length=5)]
    started = time.monotonic()
    with lean.read(KEY) as (state, _):
        assert state.size == size
    with lean.open(pinned(size=size)) as body:
        assert body.readinto(memoryview(bytearray(3))) == 3
    lean.stat(KEY)
    assert connections() == 2
    # The server sends no more than that: whoever drains the answer waits for what never comes.
    assert time.monotonic() - started < READ_TIMEOUT


@pytest.mark.parametrize("threads", [3, 12])
def test_more_threads_than_the_pool_has_connections_do_not_wait_for_each_other(s3, lean, connections, threads):
    """The pool has four: each thread holds a body open until all have one."""
    together = threading.Barrier(threads, timeout=20)

    def hold(_: int) -> bytes:
        with lean.read(KEY) as (state, body):
            together.wait()
            data = bytearray(state.size)
            body.readinto(memoryview(data))
        return bytes(data)

    opened = []
    for _ in range(2):
        s3.script += [found(b"hello")] * threads
        with ThreadPoolExecutor(threads) as pool:
            assert list(pool.map(hold, range(threads))) == [b"hello"] * threads
        opened.append(connections())
    assert opened[1] - opened[0] == max(0, threads - 4)
