"""Publishes events to Pub/Sub."""

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.pubsub_v1 import PublisherClient, PubsubMessage
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from replicator.errors import Transient
from replicator.reasons import Reason

TIMEOUT = 3
"""Seconds until a publish must be confirmed, retries included: EventBridge gives up after 5, which has to do for the
way there and back, and for a process that has just started."""


def connect(credentials: Credentials | None, emulator: str | None = None) -> PublisherClient:
    """A client for one process. Its channel has threads of its own, so it must be made after the fork.

    It is the service's plain client: that of `google.cloud.pubsub_v1` collects messages in batches, and while it drops
    a batch that failed, whatever else is published fails with it. An `emulator`, by its address, takes no credentials.
    """
    if emulator is None:
        return PublisherClient(credentials=credentials)
    return PublisherClient(transport=PublisherGrpcTransport(channel=grpc.insecure_channel(emulator)))


class PubsubPublisher:
    """The port `Publisher` on one topic."""

    def __init__(self, client: PublisherClient, topic: str) -> None:
        self._client, self._topic = client, topic

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        message = PubsubMessage(data=data, attributes=attributes)
        with self._translated():
            answer = self._client.publish(
                topic=self._topic, messages=[message], retry=Retry(timeout=TIMEOUT), timeout=TIMEOUT
            )
        if not answer.message_ids:
            raise Transient(Reason.PUBLISH_FAILED, "the answer names no message")
        return str(answer.message_ids[0])

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Whatever is wrong, an event must come again."""
        try:
            yield
        except (api.GoogleAPIError, auth.GoogleAuthError) as error:
            raise Transient(Reason.PUBLISH_FAILED, type(error).__name__) from error
