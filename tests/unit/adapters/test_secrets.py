"""AWS keys from Secret Manager: which payloads are understood, when they are read, and what is never said of them."""

import base64
import json
import traceback
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Thread
from types import SimpleNamespace

import google.auth
import google_crc32c
import pytest
import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import AnonymousCredentials
from google.cloud.secretmanager_v1 import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports.rest import (
    SecretManagerServiceRestTransport,
)
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from replicator.adapters.secrets import SecretManagerKeys, connect_without_threads, parse_keys, read_secret
from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

RESOURCE = "projects/p/secrets/s"
MAX_AGE = 300
OLD = AwsKeys("AKIAOLD", "old-secret")
NEW = AwsKeys("AKIANEW", "new-secret", "new-token")


def payload(keys: AwsKeys) -> bytes:
    fields = {"AccessKeyId": keys.access_key_id, "SecretAccessKey": keys.secret_access_key}
    return json.dumps(fields | ({"SessionToken": keys.session_token} if keys.session_token else {})).encode()


class FakeSecretManager:
    """Secret Manager's client. `data` is the payload, or an error to raise; `before` runs within each read."""

    def __init__(self, data: bytes | Exception) -> None:
        self.data, self.checksum = data, None
        self.names: list[str] = []
        self.before = lambda: None

    def access_secret_version(self, *, name: str, retry, timeout: float):
        assert timeout > 0
        self.names.append(name)
        self.before()
        if isinstance(self.data, Exception):
            raise self.data
        checksum = google_crc32c.value(self.data) if self.checksum is None else self.checksum
        return SimpleNamespace(payload=SimpleNamespace(data=self.data, data_crc32c=checksum))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def manager():
    return FakeSecretManager(payload(OLD))


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(manager, clock):
    return SecretManagerKeys(manager, RESOURCE, MAX_AGE, clock)


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_nothing_is_read_before_keys_are_needed(manager, keys):
    assert manager.names == []


def test_the_newest_version_is_read_unless_one_is_named(manager, keys, clock):
    keys.current()
    SecretManagerKeys(manager, f"{RESOURCE}/versions/7", MAX_AGE, clock).current()
    assert manager.names == [f"{RESOURCE}/versions/latest", f"{RESOURCE}/versions/7"]


def test_keys_come_from_memory_while_they_are_fresh(manager, keys, clock):
    assert keys.current() == OLD
    manager.data = payload(NEW)
    clock.now += MAX_AGE - 1
    assert keys.current() == OLD
    assert len(manager.names) == 1


def test_keys_that_are_no_longer_fresh_are_read_again(manager, keys, clock):
    keys.current()
    manager.data = payload(NEW)
    clock.now += MAX_AGE
    assert keys.current() == NEW
    clock.now += MAX_AGE - 1
    keys.current()
    assert len(manager.names) == 2


DOWN = [
    api.ServiceUnavailable("down"),
    api.PermissionDenied("no"),
    api.RetryError("gave up", None),
    auth.TransportError("no metadata server"),
    auth.DefaultCredentialsError("none"),
]


@pytest.mark.parametrize("error", DOWN)
def test_known_keys_stay_in_use_while_secret_manager_is_down(manager, keys, clock, error):
    keys.current()
    manager.data = error
    clock.now += MAX_AGE
    assert keys.current() == OLD


def test_a_secret_manager_that_is_down_is_not_asked_again_before_the_next_interval(manager, keys, clock):
    keys.current()
    manager.data = api.ServiceUnavailable("down")
    clock.now += MAX_AGE
    for _ in range(5):
        keys.current()
    assert len(manager.names) == 2
    manager.data = payload(NEW)
    clock.now += MAX_AGE
    assert keys.current() == NEW


@pytest.mark.parametrize("data", [b"no keys", payload(OLD)[:-1]])
def test_known_keys_stay_in_use_while_the_secret_is_unusable(manager, keys, clock, data):
    keys.current()
    manager.data = data
    clock.now += MAX_AGE
    assert keys.current() == OLD


@pytest.mark.parametrize("error", DOWN)
def test_without_known_keys_a_secret_manager_that_is_down_is_transient_and_is_asked_again(manager, keys, error):
    manager.data = error
    with pytest.raises(Transient) as down:
        keys.current()
    assert down.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert down.value.detail == f"Secret Manager cannot be read: {type(error).__name__}"
    manager.data = payload(OLD)
    assert keys.current() == OLD


def test_a_payload_that_was_damaged_on_the_way_is_not_used(manager, keys):
    manager.checksum = google_crc32c.value(b"something else")
    with pytest.raises(Transient) as damaged:
        keys.current()
    assert damaged.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert_says_nothing_of_the_keys(damaged.value)


# --- Several threads --------------------------------------------------------------------------------------------------


def test_one_thread_reads_while_the_others_wait(manager, keys):
    reading, go_on = Event(), Event()

    def before():
        reading.set()
        assert go_on.wait(10)

    manager.before = before
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(keys.current)
        assert reading.wait(10)
        others = [pool.submit(keys.current) for _ in range(7)]
        assert not any(other.done() for other in others)
        go_on.set()
        assert {future.result(10) for future in (first, *others)} == {OLD}
    assert len(manager.names) == 1


def test_known_keys_are_used_while_one_thread_reads_them_again(manager, keys, clock):
    keys.current()
    reading, go_on = Event(), Event()

    def before():
        reading.set()
        assert go_on.wait(10)

    manager.data, manager.before = payload(NEW), before
    clock.now += MAX_AGE
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(keys.current)
        assert reading.wait(10)
        assert keys.current() == OLD
        go_on.set()
        assert refreshing.result(10) == NEW
    assert keys.current() == NEW


def test_a_version_that_is_disabled_is_named_as_that(manager, keys):
    manager.data = api.FailedPrecondition("state DISABLED")
    with pytest.raises(Transient, match="disabled or destroyed"):
        keys.current()


def test_threads_whose_keys_were_rejected_together_read_once(manager, keys):
    keys.current()
    manager.data = payload(NEW)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: keys.renew(OLD), range(8)))
    assert len(manager.names) == 2
    assert keys.current() == NEW


# --- Renewing ---------------------------------------------------------------------------------------------------------


def test_rejected_keys_are_read_again_although_they_are_fresh(manager, keys):
    keys.current()
    manager.data = payload(NEW)
    assert keys.renew(OLD) is True
    assert keys.current() == NEW


def test_a_renewal_that_finds_the_same_keys_says_so(manager, keys):
    keys.current()
    assert keys.renew(OLD) is False
    assert len(manager.names) == 2


def test_keys_that_are_not_in_use_any_more_are_not_read_again(manager, keys):
    keys.current()
    assert keys.renew(NEW) is True
    assert len(manager.names) == 1


@pytest.mark.parametrize("error", DOWN)
def test_a_renewal_never_raises_and_keeps_what_is_known(manager, keys, error):
    keys.current()
    manager.data = error
    assert keys.renew(OLD) is False
    assert keys.current() == OLD


# --- Payloads ---------------------------------------------------------------------------------------------------------

FIELDS = {"AccessKeyId": "AKIANEW", "SecretAccessKey": "new-secret", "SessionToken": "new-token"}


@pytest.mark.parametrize(
    "document",
    [
        {"Version": 1, **FIELDS, "Expiration": "2030-01-01T00:00:00Z"},
        {"Credentials": {**FIELDS, "Expiration": "2030-01-01T00:00:00Z"}},
        {"AccessKey": {"UserName": "replicator", "Status": "Active", **FIELDS}},
    ],
)
def test_keys_are_understood_as_the_aws_tools_print_them(document):
    assert parse_keys(json.dumps(document).encode()) == NEW


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_session_token_is_none(token):
    assert parse_keys(json.dumps(FIELDS | {"SessionToken": token}).encode()).session_token is None


def test_surrounding_white_space_does_no_harm():
    assert parse_keys(b"\n " + payload(NEW) + b"\r\n") == NEW


SECRET = "do-not-show-this"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        SECRET.encode(),
        b'{"AccessKeyId": "do-not-show-this"',
        b"\xff\xfe" + SECRET.encode(),
        b"[" * 100_000,
        json.dumps([SECRET]).encode(),
        json.dumps(SECRET).encode(),
        b"null",
        b"17",
        b"{}",
        json.dumps({"Credentials": SECRET}).encode(),
        json.dumps({"Credentials": [SECRET]}).encode(),
        json.dumps({"AccessKeyId": SECRET}).encode(),
        json.dumps({"SecretAccessKey": SECRET}).encode(),
        json.dumps({"AccessKeyId": "", "SecretAccessKey": SECRET}).encode(),
        json.dumps({"AccessKeyId": 17, "SecretAccessKey": SECRET}).encode(),
        json.dumps({"AccessKeyId": SECRET, "SecretAccessKey": None}).encode(),
        json.dumps({"AccessKeyId": SECRET, "SecretAccessKey": {"a": SECRET}}).encode(),
        json.dumps({"AccessKeyId": SECRET, "SecretAccessKey": SECRET, "SessionToken": [SECRET]}).encode(),
        json.dumps({"aws_access_key_id": SECRET, "aws_secret_access_key": SECRET}).encode(),
    ],
)
def test_an_unusable_payload_is_an_error_that_holds_nothing_of_it(data):
    with pytest.raises(Transient) as unusable:
        parse_keys(data)
    assert unusable.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert_says_nothing_of_the_keys(unusable.value)


def assert_says_nothing_of_the_keys(error: Transient) -> None:
    printed = f"{error!r} {error} {error.args} {error.detail} {''.join(traceback.format_exception(error))}"
    for secret in (SECRET, OLD.secret_access_key, OLD.access_key_id):
        assert secret not in printed


def test_printed_keys_show_the_id_only():
    assert repr(NEW) == "AwsKeys(access_key_id='AKIANEW')"


# --- Any secret -------------------------------------------------------------------------------------------------------


@pytest.fixture
def over_http():
    """Secret Manager's REST door, which answers `status`, and the client that reads before a fork."""
    answers = {"status": 200, "data": b"rules: []", "checksum": google_crc32c.value(b"rules: []"), "paths": []}

    def answer(request: Request) -> Response:
        answers["paths"].append(request.path)
        encoded = base64.b64encode(answers["data"]).decode()
        found = {"payload": {"data": encoded, "dataCrc32c": str(answers["checksum"])}}
        problem = {"error": {"code": answers["status"], "message": SECRET}}
        return Response(json.dumps(found if answers["status"] == 200 else problem), answers["status"])

    server = make_server("127.0.0.1", 0, Request.application(answer), threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    transport = SecretManagerServiceRestTransport(
        host=f"http://127.0.0.1:{server.server_port}", credentials=AnonymousCredentials(), url_scheme="http"
    )
    try:
        with SecretManagerServiceClient(transport=transport) as client:
            yield client, answers
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_secret_is_read_through_the_transport_that_survives_a_fork(over_http):
    client, answers = over_http
    assert read_secret(client, RESOURCE) == b"rules: []"
    assert read_secret(client, f"{RESOURCE}/versions/7") == b"rules: []"
    assert answers["paths"] == [f"/v1/{RESOURCE}/versions/{version}:access" for version in ("latest", "7")]


@pytest.mark.parametrize(
    "broken", [{"status": 400}, {"status": 403}, {"status": 404}, {"checksum": 7}, {"data": SECRET.encode()}], ids=repr
)
def test_a_secret_that_cannot_be_read_is_an_error_that_says_nothing_of_it(over_http, broken):
    client, answers = over_http
    answers.update(broken)
    with pytest.raises(Transient) as unreadable:
        read_secret(client, RESOURCE)
    assert unreadable.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert SECRET not in f"{unreadable.value} {unreadable.value.detail}"


def test_a_server_that_is_not_there_is_an_error_in_time(manager, monkeypatch):
    for error in (requests.ConnectionError("x"), requests.Timeout("x"), auth.RefreshError("x")):
        manager.data = error
        with pytest.raises(Transient, match=f"cannot be read: {type(error).__name__}"):
            read_secret(manager, RESOURCE)


def test_without_google_credentials_there_is_no_client_and_no_channel(monkeypatch):
    monkeypatch.setattr(google.auth, "default", _no_credentials)
    with pytest.raises(Transient) as refused:
        connect_without_threads()
    assert refused.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    monkeypatch.setattr(google.auth, "default", lambda **_: (AnonymousCredentials(), "p"))
    with connect_without_threads() as client:
        assert client.transport.kind == "rest"


def _no_credentials(**_: object):
    raise auth.DefaultCredentialsError("none")
