"""A Pub/Sub push subscription. https://cloud.google.com/pubsub/docs/push"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from typing import Any

import requests

from replicator.dev.clients import http_session
from replicator.dev.deliveries import Backoff, Deliveries

BACKOFF = Backoff(0.5, 10)
"""Shorter than any deployment's: a person is watching."""

ACKNOWLEDGED = frozenset({102, 200, 201, 202, 204})
"""Every other status, 4xx included, asks for the message again."""


@dataclass(frozen=True, slots=True)
class Message:
    """A published message. `published_at` is in UTC."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime


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

    `ack_deadline` is also the request's time-out. `report` gets a line about each dead letter.
    """

    def __init__(
        self,
        url: str,
        report: Callable[[str], None],
        *,
        name: str = "projects/local/subscriptions/replicate",
        ack_deadline: float = 60,
        backoff: Backoff = BACKOFF,
        max_attempts: int = 5,
        concurrency: int = 8,
    ) -> None:
        super().__init__("push", backoff, concurrency)
        self._url, self._report, self._name = url, report, name
        self._ack_deadline, self._max_attempts = ack_deadline, max_attempts
        self._http = http_session()
        self._lock = Lock()
        self._dead_letters: list[Message] = []

    @property
    def dead_letters(self) -> tuple[Message, ...]:
        """The messages that were given up, in that order."""
        with self._lock:
            return tuple(self._dead_letters)

    def replay(self) -> int:
        """Publishes every dead letter again, as a person does once the cause is gone. Returns how many there were."""
        with self._lock:
            letters, self._dead_letters = self._dead_letters, []
        for letter in letters:
            self.add(letter)
        return len(letters)

    def deliver(self, item: Message, attempt: int) -> bool:
        status = self._post(item, attempt)
        if status in ACKNOWLEDGED:
            return True
        if attempt < self._max_attempts:
            return False
        with self._lock:
            self._dead_letters.append(item)
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
