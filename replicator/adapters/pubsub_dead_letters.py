"""Holds the dead letters of a Pub/Sub subscription."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import grpc
from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.cloud.pubsub_v1 import SubscriberClient

from replicator.errors import Permanent, Transient
from replicator.model import DeadLetter
from replicator.ports import LEASE
from replicator.reasons import Reason

WAIT = 5
"""Seconds for which a pull waits for a message."""

TIMEOUT = 10
"""Seconds for any other request, its retries included."""

HANDLES_AT_ONCE = 1000
"""Handles in one request, which may have 512 KiB; one has some 200 bytes."""

ADDED = "CloudPubSubDeadLetterSource"
"""How the names of the attributes begin that Pub/Sub adds to a message when it gives it up
(https://cloud.google.com/pubsub/docs/handling-failures). They are text, for anybody may have published them."""

PERMANENT = {
    api.NotFound: Reason.SUBSCRIPTION_NOT_FOUND,
    api.Forbidden: Reason.SUBSCRIPTION_ACCESS_DENIED,
    api.Unauthenticated: Reason.SUBSCRIPTION_ACCESS_DENIED,
    api.BadRequest: Reason.SUBSCRIPTION_REFUSED,
}


def connect(credentials: Credentials | None = None) -> SubscriberClient:
    """The emulator that the SDK's own variable `PUBSUB_EMULATOR_HOST` names takes no credentials."""
    return SubscriberClient(credentials=credentials)


class PubsubDeadLetters:
    """The port `DeadLetters` on one pull subscription. `wait` is how many seconds a pull waits for a message."""

    def __init__(self, client: SubscriberClient, subscription: str, wait: float = WAIT) -> None:
        self._client, self._subscription, self._wait = client, subscription, wait

    def pull(self, most: int) -> Sequence[DeadLetter]:
        with _translated():
            try:
                answer = self._client.pull(
                    subscription=self._subscription, max_messages=most, retry=Retry(timeout=TIMEOUT), timeout=self._wait
                )
            except api.DeadlineExceeded:  # Pub/Sub's way to say that there is none, if it is Pub/Sub who says it
                self._require_connection()
                return ()
        return tuple(_letter(received) for received in answer.received_messages)

    def extend(self, handles: Sequence[str]) -> None:
        self._hold_for(LEASE, handles)

    def release(self, handles: Sequence[str]) -> None:
        self._hold_for(0, handles)

    def acknowledge(self, handles: Sequence[str]) -> None:
        for some in _requests(handles):
            with _translated():
                self._client.acknowledge(
                    subscription=self._subscription, ack_ids=some, retry=Retry(timeout=TIMEOUT), timeout=TIMEOUT
                )

    def _hold_for(self, seconds: int, handles: Sequence[str]) -> None:
        for some in _requests(handles):
            with _translated():
                self._client.modify_ack_deadline(
                    subscription=self._subscription,
                    ack_ids=some,
                    ack_deadline_seconds=seconds,
                    retry=Retry(timeout=TIMEOUT),
                    timeout=TIMEOUT,
                )

    def _require_connection(self) -> None:
        """Nobody who could not be reached has said that there is nothing."""
        try:
            grpc.channel_ready_future(self._client.transport.grpc_channel).result(timeout=0.1)
        except grpc.FutureTimeoutError:
            raise Transient(Reason.SUBSCRIPTION_UNAVAILABLE, "no connection") from None


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except tuple(PERMANENT) as error:
        reason = next(reason for kind, reason in PERMANENT.items() if isinstance(error, kind))
        raise Permanent(reason, type(error).__name__) from error
    except auth.GoogleAuthError as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, type(error).__name__) from error
    except api.GoogleAPIError as error:
        raise Transient(Reason.SUBSCRIPTION_UNAVAILABLE, type(error).__name__) from error


def _requests(handles: Sequence[str]) -> Iterator[Sequence[str]]:
    return (handles[first : first + HANDLES_AT_ONCE] for first in range(0, len(handles), HANDLES_AT_ONCE))


def _letter(received: Any) -> DeadLetter:
    message = received.message
    attributes = dict(message.attributes)
    return DeadLetter(
        handle=received.ack_id,
        message_id=message.message_id,
        data=message.data,
        attributes={name: value for name, value in attributes.items() if not name.startswith(ADDED)},
        published_at=_moment(attributes) or message.publish_time,
        attempts=_attempts(attributes),
    )


def _moment(attributes: Mapping[str, str]) -> datetime | None:
    """When the message was published, before it was given up."""
    try:
        moment = datetime.fromisoformat(attributes.get(f"{ADDED}TopicPublishTime", ""))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _attempts(attributes: Mapping[str, str]) -> int | None:
    count = attributes.get(f"{ADDED}DeliveryCount", "")
    return int(count) if count.isascii() and count.isdigit() and len(count) < 10 else None
