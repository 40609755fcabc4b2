"""Secret Manager: which version is read, that its payload is what was stored, and what is never said of it."""

import traceback
from types import SimpleNamespace

import google_crc32c
import pytest
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from replicator.adapters.secrets import read
from replicator.errors import Transient
from replicator.reasons import Reason

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
