"""The Pub/Sub adapter: a message is published when Pub/Sub says so, and in time or not at all."""

from concurrent.futures import Future

import pytest
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from replicator.adapters import pubsub
from replicator.adapters.pubsub import PubsubPublisher
from replicator.errors import Transient
from replicator.reasons import Reason

TOPIC = "projects/p/topics/t"
SECRET = "the text of an error"


class FakeClient:
    """Pub/Sub's client, whose every publish ends as `outcome` says: an id, an error, or never."""

    def __init__(self, outcome: str | Exception | None) -> None:
        self.outcome = outcome
        self.published: list[tuple[str, bytes, dict[str, str]]] = []
        self.limits: list[float] = []

    def publish(self, topic, data, ordering_key="", retry=None, timeout=None, **attributes):
        self.published.append((topic, data, attributes))
        self.limits += [timeout, retry.timeout]
        future: Future[str] = Future()
        if isinstance(self.outcome, Exception):
            future.set_exception(self.outcome)
        elif self.outcome is not None:
            future.set_result(self.outcome)
        return future


def test_a_confirmed_message_has_an_id():
    client = FakeClient("4711")
    assert PubsubPublisher(client, TOPIC).publish(b"\x00data", {"bucket": "b"}) == "4711"
    assert client.published == [(TOPIC, b"\x00data", {"bucket": "b"})]


def test_everything_ends_before_eventbridge_gives_up():
    client = FakeClient("4711")
    PubsubPublisher(client, TOPIC).publish(b"", {})
    assert max(*client.limits, pubsub.TIMEOUT) < 5


@pytest.mark.parametrize(
    "error",
    [
        api.ServiceUnavailable(SECRET),
        api.PermissionDenied(SECRET),
        api.NotFound(SECRET),
        api.DeadlineExceeded(SECRET),
        api.RetryError(SECRET, None),
        auth.TransportError(SECRET),
        auth.RefreshError(SECRET),
    ],
)
def test_what_pubsub_refuses_is_not_published(error):
    with pytest.raises(Transient) as failed:
        PubsubPublisher(FakeClient(error), TOPIC).publish(b"data", {})
    assert (failed.value.reason, failed.value.detail) == (Reason.PUBLISH_FAILED, type(error).__name__)
    assert SECRET not in str(failed.value)


def test_a_message_that_is_never_confirmed_is_not_published(monkeypatch):
    monkeypatch.setattr(pubsub, "TIMEOUT", 0.01)
    with pytest.raises(Transient) as failed:
        PubsubPublisher(FakeClient(None), TOPIC).publish(b"data", {})
    assert failed.value.reason is Reason.PUBLISH_FAILED


def test_what_the_client_itself_refuses_is_not_published():
    class Refusing:
        def publish(self, *_, **__):
            raise auth.DefaultCredentialsError(SECRET)

    with pytest.raises(Transient) as failed:
        PubsubPublisher(Refusing(), TOPIC).publish(b"data", {})
    assert failed.value.reason is Reason.PUBLISH_FAILED
    assert SECRET not in str(failed.value)
