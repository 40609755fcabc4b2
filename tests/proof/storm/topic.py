"""The Pub/Sub of the storm: the real emulator where it is, else the embedded one. Both push to one URL."""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from unittest.mock import patch

from replicator.dev.deliveries import Backoff
from replicator.dev.push import Message, PushSubscription
from tests.deploy.pubsub_emulator import Emulator, running_emulator
from tests.proof.storm.traffic import Sent

PROJECT = "projects/storm"
ABOUT = "about"
"""The attribute that says what a message is about: a dead letter has another id than the message had."""


class Topic(Protocol):
    """Where events are published, with a push subscription and a dead-letter topic behind it."""

    name: str

    def publish(self, sent: Sent) -> Callable[[], str]:
        """Returns at once. What it returns waits until the message is safe, and tells its id."""

    def dead_letters(self, wanted: int) -> Counter[str]:
        """What the dead letters are about, all of them. Waits a while for so many; there may be more."""


class EmbeddedTopic:
    """The push loop of `make run`."""

    name = "embedded push loop"

    def __init__(self, push: PushSubscription) -> None:
        self._push, self._ids = push, itertools.count(1)

    def publish(self, sent: Sent) -> Callable[[], str]:
        message = Message(str(next(self._ids)), sent.data, {ABOUT: sent.about}, datetime.now(UTC))
        self._push.add(message)
        return lambda: message.message_id

    def dead_letters(self, wanted: int) -> Counter[str]:
        self._push.settle(60)
        return Counter(letter.attributes[ABOUT] for letter in self._push.dead_letters)


@contextmanager
def embedded_topic(url: str, max_attempts: int) -> Iterator[EmbeddedTopic]:
    push = PushSubscription(
        url, lambda line: None, backoff=Backoff(0.1, 0.5), max_attempts=max_attempts, concurrency=16
    )
    with push:
        yield EmbeddedTopic(push)


SUBSCRIPTIONS = 16
"""The emulator's push subscription has one message under way at a time: so many topics, each with one, share the
events. In Pub/Sub one subscription would push many at once."""


@dataclass(frozen=True)
class EmulatedTopic:
    """The real emulator, with the real clients."""

    name: str
    publisher: object
    subscriber: object
    turn: Iterator[int]

    def publish(self, sent: Sent) -> Callable[[], str]:
        topic = f"{PROJECT}/topics/events-{next(self.turn) % SUBSCRIPTIONS}"
        return self.publisher.publish(topic, sent.data, **{ABOUT: sent.about}).result

    def dead_letters(self, wanted: int) -> Counter[str]:
        from google.api_core.exceptions import DeadlineExceeded

        found: Counter[str] = Counter()
        subscription = f"{PROJECT}/subscriptions/dead-letters"
        for _ in range(100):
            try:
                answer = self.subscriber.pull(subscription=subscription, max_messages=1000, timeout=3)
            except DeadlineExceeded:
                answer = None
            if received := answer.received_messages if answer else []:
                found.update(one.message.attributes[ABOUT] for one in received)
                self.subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in received])
            elif found.total() >= wanted:
                break
        return found


@contextmanager
def emulated_topic(emulator: Emulator, url: str, max_attempts: int) -> Iterator[EmulatedTopic]:
    from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

    with ExitStack() as running:
        address = running.enter_context(running_emulator(emulator))
        running.enter_context(patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": address}))
        publisher = running.enter_context(PublisherClient())
        subscriber = running.enter_context(SubscriberClient())
        dead = f"{PROJECT}/topics/dead-letters"
        publisher.create_topic(name=dead)
        subscriber.create_subscription(name=f"{PROJECT}/subscriptions/dead-letters", topic=dead)
        for number in range(SUBSCRIPTIONS):
            topic = f"{PROJECT}/topics/events-{number}"
            publisher.create_topic(name=topic)
            subscriber.create_subscription(
                request={
                    "name": f"{PROJECT}/subscriptions/push-{number}",
                    "topic": topic,
                    "push_config": {"push_endpoint": url},
                    "ack_deadline_seconds": 60,
                    "dead_letter_policy": {"dead_letter_topic": dead, "max_delivery_attempts": max_attempts},
                }
            )
        yield EmulatedTopic(f"Pub/Sub emulator {emulator.version}", publisher, subscriber, itertools.count())
