"""Secret Manager: which version is read, that its payload is what was stored, and what is never said of it."""

import base64
import json
import traceback
from types import SimpleNamespace

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
from werkzeug.wrappers import Request, Response

from replicator.adapters.secrets import connect_before_fork, read
from replicator.errors import Transient
from replicator.reasons import Reason
from tests.servers import listening

RESOURCE = "projects/p/secrets/s"
SECRET = b"do-not-show-this"


class FakeSecretManager:
    """Secret Manager's client. `data` is the payload, or an error to raise."""

    def __init__(self, data: bytes | Exception, checksum: int | None = None) -> None:
        self.data, self.checksum = data, checksum
        self.names: list[str] = []

    def access_secret_version(self, *, name: str, retry, timeout: float):
        assert retry.timeout == timeout > 0
        self.names.append(name)
        if isinstance(self.data, Exception):
            raise self.data
        checksum = google_crc32c.value(self.data) if self.checksum is None else self.checksum
        return SimpleNamespace(payload=SimpleNamespace(data=self.data, data_crc32c=checksum))


def test_the_payload_is_what_was_stored():
    assert read(FakeSecretManager(SECRET), RESOURCE) == SECRET


@pytest.mark.parametrize(
    ("resource", "version"),
    [(RESOURCE, f"{RESOURCE}/versions/latest"), (f"{RESOURCE}/versions/7", f"{RESOURCE}/versions/7")],
)
def test_the_newest_version_is_read_unless_one_is_named(resource, version):
    manager = FakeSecretManager(SECRET)
    read(manager, resource)
    assert manager.names == [version]


@pytest.mark.parametrize(
    "error",
    [
        api.ServiceUnavailable("down"),
        api.PermissionDenied("no"),
        api.NotFound("no such secret"),
        api.RetryError("gave up", None),
        auth.TransportError("no metadata server"),
        auth.RefreshError("no token"),
    ],
)
def test_a_secret_that_cannot_be_read_is_transient(error):
    with pytest.raises(Transient) as down:
        read(FakeSecretManager(error), RESOURCE)
    assert down.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert down.value.detail == f"Secret Manager cannot be read: {type(error).__name__}"


def test_a_version_that_is_disabled_is_named_as_that():
    with pytest.raises(Transient, match="disabled or destroyed"):
        read(FakeSecretManager(api.FailedPrecondition("state DISABLED")), RESOURCE)


def test_a_payload_that_was_damaged_on_the_way_is_not_used():
    with pytest.raises(Transient, match="checksum") as damaged:
        read(FakeSecretManager(SECRET, checksum=google_crc32c.value(b"something else")), RESOURCE)
    assert damaged.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert SECRET.decode() not in "".join(traceback.format_exception(damaged.value))


# --- Before a fork ----------------------------------------------------------------------------------------------------


@pytest.fixture
def over_http():
    """Secret Manager's REST door, which answers `status`, and the client that reads before a fork."""
    answers = {"status": 200, "data": b"rules: []", "checksum": google_crc32c.value(b"rules: []"), "paths": []}

    def answer(request: Request) -> Response:
        answers["paths"].append(request.path)
        encoded = base64.b64encode(answers["data"]).decode()
        found = {"payload": {"data": encoded, "dataCrc32c": str(answers["checksum"])}}
        problem = {"error": {"code": answers["status"], "message": SECRET.decode()}}
        return Response(json.dumps(found if answers["status"] == 200 else problem), answers["status"])

    with listening(answer) as url:
        transport = SecretManagerServiceRestTransport(host=url, credentials=AnonymousCredentials(), url_scheme="http")
        with SecretManagerServiceClient(transport=transport) as client:
            yield client, answers


def test_a_secret_is_read_through_the_transport_that_survives_a_fork(over_http):
    client, answers = over_http
    assert read(client, RESOURCE) == b"rules: []"
    assert read(client, f"{RESOURCE}/versions/7") == b"rules: []"
    assert answers["paths"] == [f"/v1/{RESOURCE}/versions/{version}:access" for version in ("latest", "7")]


@pytest.mark.parametrize(
    "broken", [{"status": 400}, {"status": 403}, {"status": 404}, {"checksum": 7}, {"data": SECRET}], ids=repr
)
def test_a_secret_that_cannot_be_read_is_an_error_that_says_nothing_of_it(over_http, broken):
    client, answers = over_http
    answers.update(broken)
    with pytest.raises(Transient) as unreadable:
        read(client, RESOURCE)
    assert unreadable.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert SECRET.decode() not in f"{unreadable.value} {unreadable.value.detail}"


def test_a_server_that_is_not_there_is_an_error():
    for error in (requests.ConnectionError("x"), requests.Timeout("x"), auth.RefreshError("x")):
        with pytest.raises(Transient, match=f"cannot be read: {type(error).__name__}"):
            read(FakeSecretManager(error), RESOURCE)


def test_a_client_for_before_a_fork_has_no_channel():
    with connect_before_fork(AnonymousCredentials()) as client:
        assert client.transport.kind == "rest"
