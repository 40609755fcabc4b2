"""Publishes events to Pub/Sub."""

from concurrent.futures import TimeoutError as FutureTimeoutError

from google.api_core import exceptions as api
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.cloud.pubsub_v1 import PublisherClient
from google.cloud.pubsub_v1.types import BatchSettings

from replicator.errors import Transient
from replicator.reasons import Reason

TIMEOUT = 3
"""Seconds until a publish must be confirmed: EventBridge gives up after 5, which has to do for the way there and back,
and for a process that has just started."""


def connect(credentials: Credentials | None = None) -> PublisherClient:
    """A client for one process. It has threads of its own, so it must be made after the fork.

    The emulator that the SDK's own variable `PUBSUB_EMULATOR_HOST` names takes no credentials. Events go out one by
    one: a batch would only make each wait for the next.
    """
    return PublisherClient(batch_settings=BatchSettings(max_messages=1), credentials=credentials)


class PubsubPublisher:
    """The port `Publisher` on one topic."""

    def __init__(self, client: PublisherClient, topic: str) -> None:
        self._client, self._topic = client, topic

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        try:
            future = self._client.publish(
                self._topic, data, retry=Retry(timeout=TIMEOUT), timeout=TIMEOUT, **attributes
            )
            return str(future.result(timeout=TIMEOUT))
        except (api.GoogleAPIError, auth.GoogleAuthError, FutureTimeoutError) as error:
            raise Transient(Reason.PUBLISH_FAILED, type(error).__name__) from error
