"""Callers of a service, more of them than it has places for, and what they were told."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

import requests

from replicator.dev.clients import http_session
from replicator.dev.deliveries import Backoff
from replicator.dev.push import Message, PushSubscription
from tests.service.envelopes import eventbridge, push

PATIENCE = 60
"""Seconds after which a caller gives up: an answer, or being sent away."""

PAUSE = 0.2
"""Seconds until a caller comes again who was turned away: far less than it was asked to wait."""

ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What one call came to, after `seconds`, and when that was, by the monotonic clock.

    Without an answer the status is 0 and the reason the kind of error.
    """

    key: str
    status: int
    reason: str
    retry_after: str | None
    seconds: float
    at: float

    @property
    def settled(self) -> bool:
        return self.status == 204


def call(url: str, key: str, http: requests.Session) -> Answer:
    """Posts an event about the key."""
    began = time.monotonic()
    try:
        response = http.post(url, json=push(eventbridge(key)), timeout=PATIENCE)
    except requests.RequestException as error:
        now = time.monotonic()
        return Answer(key, 0, type(error).__name__, None, now - began, now)
    now = time.monotonic()
    reason = response.json()["reason"] if response.status_code >= 400 else ""
    retry_after = response.headers.get("Retry-After")
    return Answer(key, response.status_code, reason, retry_after, now - began, now)


def crowd(url: str, keys: Sequence[str], callers: int) -> list[Answer]:
    """All answers of so many callers at once, who come again while they are told to and have patience."""
    todo: SimpleQueue[str] = SimpleQueue()
    for key in keys:
        todo.put(key)

    def work() -> list[Answer]:
        answers = []
        with http_session() as http:
            while True:
                try:
                    key = todo.get_nowait()
                except Empty:
                    return answers
                answers.append(call(url, key, http))
                began = time.monotonic()
                while answers[-1].status == 503 and time.monotonic() < began + PATIENCE:
                    time.sleep(PAUSE)
                    answers.append(call(url, key, http))

    with ThreadPoolExecutor(callers) as pool:
        working = [pool.submit(work) for _ in range(callers)]
        return [answer for future in working for answer in future.result()]


def rates(urls: Sequence[str], keys: Sequence[str], callers: int) -> list[float]:
    """Events a second that each service settles, when there are no more callers than places: in the best of a few
    rounds, in which they take turns, since the machine has other things to do."""
    seconds: list[list[float]] = [[] for _ in urls]
    for _ in range(ROUNDS):
        for url, taken in zip(urls, seconds, strict=True):
            began = time.monotonic()
            answers = crowd(url, keys, callers)
            taken.append(time.monotonic() - began)
            told = Counter((answer.status, answer.reason) for answer in answers)
            assert all(answer.settled for answer in answers), told
    return [len(keys) / min(taken) for taken in seconds]


AS_DEPLOYED = Backoff(0.1, 6), 20
"""What deploy/gcp gives a message, with seconds a hundredth as long: its backoff, and its delivery attempts."""


class Subscription(PushSubscription):
    """Pub/Sub, pushing more at once than there are places. `attempts` counts the deliveries of each message."""

    def __init__(self, url: str, pushing: int) -> None:
        backoff, max_attempts = AS_DEPLOYED
        super().__init__(url, lambda line: None, backoff=backoff, max_attempts=max_attempts, concurrency=pushing)
        self.attempts: dict[str, int] = {}

    def deliver(self, item: Message, attempt: int) -> bool:
        self.attempts[item.message_id] = attempt
        return super().deliver(item, attempt)


def push_all(url: str, keys: Sequence[str], pushing: int) -> Subscription:
    """Returns when every event is acknowledged or a dead letter."""
    with Subscription(url, pushing) as subscription:
        for key in keys:
            subscription.add(Message(key, json.dumps(eventbridge(key)).encode(), {}, datetime.now(UTC)))
        assert subscription.settle(PATIENCE)
    return subscription
