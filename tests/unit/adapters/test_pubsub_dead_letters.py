"""The adapter for dead letters, beyond the contract: errors, and many handles."""

import os
import socket
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from replicator.adapters import pubsub_dead_letters
from replicator.adapters.pubsub_dead_letters import HANDLES_AT_ONCE, PubsubDeadLetters, connect
from replicator.errors import Permanent, Transient
from replicator.reasons import Reason

SUBSCRIPTION = "projects/p/subscriptions/s"
SECRET = "the text of an error"


class FakeClient:
    """Pub/Sub's client, which has no messages; every request raises `error`, if there is one."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.requests: list[dict[str, object]] = []

    def _request(self, **request):
        self.requests.append(request)
        if self.error:
            raise self.error
        return SimpleNamespace(received_messages=[])

    pull = modify_ack_deadline = acknowledge = _request


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (api.NotFound(SECRET), Permanent, Reason.SUBSCRIPTION_NOT_FOUND),
        (api.PermissionDenied(SECRET), Permanent, Reason.SUBSCRIPTION_ACCESS_DENIED),
        (api.Unauthenticated(SECRET), Permanent, Reason.SUBSCRIPTION_ACCESS_DENIED),
        (api.InvalidArgument(SECRET), Permanent, Reason.SUBSCRIPTION_REFUSED),
        (api.FailedPrecondition(SECRET), Permanent, Reason.SUBSCRIPTION_REFUSED),
        (api.ServiceUnavailable(SECRET), Transient, Reason.SUBSCRIPTION_UNAVAILABLE),
        (api.RetryError(SECRET, None), Transient, Reason.SUBSCRIPTION_UNAVAILABLE),
        (api.ResourceExhausted(SECRET), Transient, Reason.SUBSCRIPTION_UNAVAILABLE),
        (auth.RefreshError(SECRET), Transient, Reason.CREDENTIALS_UNAVAILABLE),
        (auth.DefaultCredentialsError(SECRET), Transient, Reason.CREDENTIALS_UNAVAILABLE),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
@pytest.mark.parametrize("work", ["pull", "extend", "release", "acknowledge"])
def test_every_error_has_a_reason_and_its_text_stays_out(error, kind, reason, work):
    queue = PubsubDeadLetters(FakeClient(error), SUBSCRIPTION)
    with pytest.raises(kind) as failed:
        getattr(queue, work)(1 if work == "pull" else ["h"])
    assert (failed.value.reason, failed.value.detail) == (reason, type(error).__name__)
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("work", ["extend", "release", "acknowledge"])
def test_only_an_empty_pull_may_run_out_of_time(work):
    queue = PubsubDeadLetters(FakeClient(api.DeadlineExceeded(SECRET)), SUBSCRIPTION)
    with pytest.raises(Transient) as failed:
        getattr(queue, work)(["h"])
    assert failed.value.reason is Reason.SUBSCRIPTION_UNAVAILABLE


def test_a_pubsub_that_cannot_be_reached_is_no_empty_subscription():
    """Both end in the same error of the client: Pub/Sub keeps quiet where there is nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": f"127.0.0.1:{silent.getsockname()[1]}"}):
            client = connect()
        with client, pytest.raises(Transient) as failed:
            PubsubDeadLetters(client, SUBSCRIPTION, wait=0.2).pull(1)
    assert failed.value.reason is Reason.SUBSCRIPTION_UNAVAILABLE


@pytest.mark.parametrize("work", ["extend", "release", "acknowledge"])
def test_many_handles_go_in_requests_that_pubsub_takes(work):
    client = FakeClient()
    handles = [str(number) for number in range(2 * HANDLES_AT_ONCE + 1)]
    getattr(PubsubDeadLetters(client, SUBSCRIPTION), work)(handles)
    assert [len(request["ack_ids"]) for request in client.requests] == [HANDLES_AT_ONCE, HANDLES_AT_ONCE, 1]
    assert [handle for request in client.requests for handle in request["ack_ids"]] == handles
    assert {request.get("ack_deadline_seconds") for request in client.requests} == {
        {"extend": 60, "release": 0, "acknowledge": None}[work]
    }


def test_every_request_has_an_end():
    client = FakeClient()
    queue = PubsubDeadLetters(client, SUBSCRIPTION)
    assert queue.pull(1) == ()
    for work in (queue.extend, queue.release, queue.acknowledge):
        work(["h"])
    timeouts = [request["timeout"] for request in client.requests]
    assert timeouts == [pubsub_dead_letters.WAIT, *[pubsub_dead_letters.TIMEOUT] * 3]
    assert {request["retry"].timeout for request in client.requests} == {pubsub_dead_letters.TIMEOUT}
