"""A Pub/Sub push subscription. https://cloud.google.com/pubsub/docs/push"""

import base64
from collections.abc import Callable
from typing import Any

import requests

from replicator.dev.clients import http_session
from replicator.dev.deliveries import Backoff, Deliveries
from replicator.dev.message import Message, given_up, revived
from replicator.dev.pull import PullSubscription

PUSH = "projects/local/subscriptions/replicate"
"""Its name, where it is given none."""

BACKOFF = Backoff(0.5, 10)
"""Shorter than any deployment's: a person is watching."""

ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
"""Every other status, 4xx included, asks for the message again."""


def push_envelope(message: Message, subscription: str, attempt: int) -> dict[str, Any]:
    """The body of a push request, wrapped, with a dead-letter policy."""
    published = message.published_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "deliveryAttempt": attempt,
        "message": {
            "attributes": dict(message.attributes),
            "data": base64.b64encode(message.data).decode(),
            "messageId": message.message_id,
            "message_id": message.message_id,
            "publishTime": published,
            "publish_time": published,
        },
        "subscription": subscription,
    }


class PushSubscription(Deliveries[Message]):
    """Posts each message to `url` until that acknowledges it, or has refused it `max_attempts` times.

    Then it goes to `dead_letters`, and `report` gets a line about it. `ack_deadline` is also the request's time-out.
    """

    def __init__(
        self,
        url: str,
        report: Callable[[str], None],
        *,
        name: str = PUSH,
        ack_deadline: float = 60,
        backoff: Backoff = BACKOFF,
        max_attempts: int = 5,
        concurrency: int = 8,
        dead_letters: PullSubscription | None = None,
    ) -> None:
        super().__init__("push", backoff, concurrency)
        self._url, self._report, self._name = url, report, name
        self._ack_deadline, self._max_attempts = ack_deadline, max_attempts
        self._http = http_session()
        self._dead_letters = dead_letters or PullSubscription(f"{name}-dead")

    @property
    def dead_letters(self) -> tuple[Message, ...]:
        """The messages that were given up, in that order."""
        return self._dead_letters.messages

    def replay(self) -> int:
        """Publishes every dead letter again, as a person does once the cause is gone. Returns how many there were."""
        letters = self._dead_letters.take_all()
        for letter in letters:
            self.add(revived(letter))
        return len(letters)

    def deliver(self, item: Message, attempt: int) -> bool:
        status = self._post(item, attempt)
        if status in ACKNOWLEDGED:
            return True
        if attempt < self._max_attempts:
            return False
        self._dead_letters.add(given_up(item, self._name, attempt))
        self._report(f"Pub/Sub gave up the message {item.message_id} after attempt {attempt}: {status}")
        return True

    def _post(self, message: Message, attempt: int) -> int | str:
        """The status, or what happened instead of an answer."""
        envelope = push_envelope(message, self._name, attempt)
        try:
            return self._http.post(
                self._url, json=envelope, timeout=self._ack_deadline, allow_redirects=False
            ).status_code
        except requests.RequestException as error:
            return type(error).__name__
