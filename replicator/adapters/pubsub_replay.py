"""Publishes dead letters to Pub/Sub again."""

from collections.abc import Iterator
from contextlib import contextmanager

from google.api_core import exceptions as api
from google.api_core.retry import Retry

from replicator.adapters.pubsub import TIMEOUT, PubsubPublisher
from replicator.errors import Permanent
from replicator.reasons import Reason

PERMANENT = {
    api.NotFound: Reason.TOPIC_NOT_FOUND,
    api.Forbidden: Reason.TOPIC_ACCESS_DENIED,
    api.Unauthenticated: Reason.TOPIC_ACCESS_DENIED,
}


class PubsubReplayTopic(PubsubPublisher):
    """The port `ReplayTopic` on one topic. Unlike an event, a person is told what another try cannot mend."""

    def subscriptions(self) -> frozenset[str]:
        with self._translated("to list its subscriptions takes pubsub.topics.get"):
            pages = self._client.list_topic_subscriptions(
                topic=self._topic, retry=Retry(timeout=TIMEOUT), timeout=TIMEOUT
            )
            return frozenset(pages)

    @contextmanager
    def _translated(self, denied: str = "to publish takes pubsub.topics.publish") -> Iterator[None]:
        with super()._translated():
            try:
                yield
            except tuple(PERMANENT) as error:
                reason = next(reason for kind, reason in PERMANENT.items() if isinstance(error, kind))
                raise Permanent(reason, denied if reason is Reason.TOPIC_ACCESS_DENIED else self._topic) from error
