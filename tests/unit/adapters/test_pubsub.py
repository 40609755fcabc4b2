"""The Pub/Sub adapter: a message is published when Pub/Sub says so, and in time or not at all."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import SimpleNamespace

import grpc
import pytest
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.pubsub_v1 import PublishRequest, PublishResponse

from replicator.adapters import pubsub
from replicator.adapters.pubsub import PubsubPublisher
from replicator.errors import Transient
from replicator.reasons import Reason

TOPIC = "projects/p/topics/t"
SECRET = "the text of an error"


class FakeClient:
    """Pub/Sub's client, whose every publish ends as `outcome` says: an id, an error, or nothing."""

    def __init__(self, outcome: str | Exception | None) -> None:
        self.outcome = outcome
        self.published: list[tuple[str, bytes, dict[str, str]]] = []
        self.limits: list[float] = []

    def publish(self, *, topic, messages, retry, timeout):
        [message] = messages
        self.published.append((topic, message.data, dict(message.attributes)))
        self.limits += [timeout, retry.timeout]
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return SimpleNamespace(message_ids=[self.outcome] if self.outcome else [])


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


def test_an_answer_without_an_id_confirms_nothing():
    with pytest.raises(Transient) as failed:
        PubsubPublisher(FakeClient(None), TOPIC).publish(b"data", {})
    assert failed.value.reason is Reason.PUBLISH_FAILED


# --- Over gRPC --------------------------------------------------------------------------------------------------------


@pytest.fixture
def server():
    """A Pub/Sub that does what is put into `answers` with each publish."""
    answers = []

    def publish(request, context):
        return answers.pop(0)(context) or PublishResponse(message_ids=["4711"])

    handler = grpc.unary_unary_rpc_method_handler(
        publish, request_deserializer=PublishRequest.deserialize, response_serializer=PublishResponse.serialize
    )
    running = grpc.server(ThreadPoolExecutor(2))
    running.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", {"Publish": handler})]
    )
    client = pubsub.connect(None, f"127.0.0.1:{running.add_insecure_port('127.0.0.1:0')}")
    running.start()
    yield PubsubPublisher(client, TOPIC), answers
    client.transport.close()
    running.stop(grace=None).wait()


def test_a_message_that_is_never_confirmed_is_not_published(server, monkeypatch):
    publisher, answers = server
    go_on = Event()
    answers.append(lambda context: go_on.wait(30) and None)
    monkeypatch.setattr(pubsub, "TIMEOUT", 0.05)
    with pytest.raises(Transient) as failed:
        publisher.publish(b"data", {})
    go_on.set()
    assert failed.value.reason is Reason.PUBLISH_FAILED


def test_a_publish_that_failed_takes_no_other_with_it(server):
    publisher, answers = server
    for _ in range(20):
        answers += [lambda context: context.abort(grpc.StatusCode.PERMISSION_DENIED, SECRET), lambda context: None]
        with pytest.raises(Transient) as failed:
            publisher.publish(b"data", {})
        assert failed.value.detail == "PermissionDenied"
        assert publisher.publish(b"data", {}) == "4711"


def test_what_the_client_itself_refuses_is_not_published():
    with pytest.raises(Transient) as failed:
        PubsubPublisher(FakeClient(auth.DefaultCredentialsError(SECRET)), TOPIC).publish(b"data", {})
    assert failed.value.reason is Reason.PUBLISH_FAILED
    assert SECRET not in str(failed.value)
