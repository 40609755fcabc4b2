"""What every `DeadLetters` promises: the in-memory one of the unit tests, and the real adapter on the embedded Pub/Sub
and on Google's emulator, where that is installed.
"""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from unittest.mock import patch

import pytest
from google.cloud.pubsub_v1 import PublisherClient

from replicator.adapters.pubsub_dead_letters import PubsubDeadLetters, connect
from replicator.dev.message import ADDED, Message
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.pull import PullSubscription
from replicator.errors import Permanent
from replicator.ports import LEASE, DeadLetters
from replicator.reasons import Reason
from tests.fakes import Clock, InMemoryDeadLetters

PUBLISHED_AT = datetime(2026, 11, 1, 12, 30, 0, 250_000, UTC)
GIVEN_UP = {
    f"{ADDED}DeliveryCount": "5",
    f"{ADDED}Subscription": "s3-events-push",
    f"{ADDED}SubscriptionProject": "local",
    f"{ADDED}TopicPublishTime": "2026-11-01T12:30:00.250+00:00",
}


@dataclass
class Side:
    """Dead letters, what publishes to their topic, Pub/Sub's own attributes included, and the clock, if it is ours."""

    queue: DeadLetters
    publish: Callable[[bytes, Mapping[str, str]], None]
    clock: Clock | None = None

    def pull(self, most: int = 100) -> dict[str, str]:
        """Handles by the text of their message; all that there are, in however many requests."""
        found: dict[str, str] = {}
        while letters := self.queue.pull(most):
            found |= {letter.data.decode(): letter.handle for letter in letters}
        return found


@pytest.fixture(params=["in memory", "embedded", "emulator"])
def side(request) -> Iterator[Side]:
    with ExitStack() as running:
        if request.param == "in memory":
            clock = Clock()
            queue = InMemoryDeadLetters(clock)
            yield Side(queue, queue.publish, clock)
        elif request.param == "embedded":
            yield embedded(running)
        else:
            yield emulated(running, request.getfixturevalue("emulator"))


def embedded(running: ExitStack) -> Side:
    clock = Clock()
    subscription = PullSubscription("projects/local/subscriptions/s3-events-dead", clock)
    server = running.enter_context(EmbeddedPubsub("projects/local/topics/s3-events", lambda _: None, subscription))

    def publish(data: bytes, attributes: Mapping[str, str]) -> None:
        subscription.add(Message(uuid.uuid4().hex, data, attributes, datetime.now(UTC)))

    return Side(adapter(running, server.address, subscription.name), publish, clock)


def emulated(running: ExitStack, address: str) -> Side:
    name = f"dead-{uuid.uuid4().hex}"
    topic, subscription = f"projects/local/topics/{name}", f"projects/local/subscriptions/{name}"
    with patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": address}):
        publisher, subscriber = PublisherClient(), connect()
    running.callback(publisher.transport.close)
    running.callback(publisher.stop)
    running.enter_context(subscriber)
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)

    def publish(data: bytes, attributes: Mapping[str, str]) -> None:
        publisher.publish(topic, data, **attributes).result(10)

    return Side(adapter(running, address, subscription), publish)


def adapter(running: ExitStack, address: str, subscription: str) -> DeadLetters:
    with patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": address}):
        client = running.enter_context(connect())
    return PubsubDeadLetters(client, subscription, wait=1)


def test_a_letter_is_the_message_as_it_was_published(side):
    side.publish(b"\x00\xff", {"bucket": "b", "event_id": "e-1", **GIVEN_UP})
    (letter,) = side.queue.pull(10)
    assert (letter.data, letter.attributes) == (b"\x00\xff", {"bucket": "b", "event_id": "e-1"})
    assert (letter.published_at, letter.attempts) == (PUBLISHED_AT, 5)
    assert letter.message_id


@pytest.mark.parametrize("garbage", ["", "x", "-1", "²", "9" * 400, "2026-11-01T12:30:00", "9999-99-99T00:00:00Z"])
def test_what_pubsub_did_not_say_or_somebody_else_did_is_not_believed(side, garbage):
    added = {f"{ADDED}DeliveryCount": garbage, f"{ADDED}TopicPublishTime": garbage} if garbage else {}
    side.publish(b"x", {"bucket": "b", **added})
    (letter,) = side.queue.pull(10)
    assert (letter.attributes, letter.attempts) == ({"bucket": "b"}, None)
    assert abs((datetime.now(UTC) - letter.published_at).total_seconds()) < 600


def test_where_there_is_nothing_nothing_is_pulled(side):
    assert list(side.queue.pull(10)) == []


def test_no_more_is_pulled_than_was_asked_for(side):
    for text in (b"a", b"b", b"c"):
        side.publish(text, {})
    assert len(side.queue.pull(2)) in (1, 2)


def test_what_is_held_is_not_pulled_again_until_it_is_given_back(side):
    for text in (b"a", b"b"):
        side.publish(text, {})
    held = side.pull()
    assert held.keys() == {"a", "b"}
    assert side.pull() == {}
    side.queue.release([held["a"]])
    assert side.pull().keys() == {"a"}


def test_what_is_acknowledged_is_gone_and_nothing_else_is(side):
    for text in (b"a", b"b"):
        side.publish(text, {})
    held = side.pull()
    side.queue.acknowledge([held["a"]])
    side.queue.release([held["a"], held["b"]])
    assert side.pull().keys() == {"b"}


def test_everything_may_be_repeated_and_nothing_asked_for_nothing(side):
    side.publish(b"a", {})
    held = side.pull()
    for work in (side.queue.extend, side.queue.acknowledge, side.queue.release):
        work([])
        work(list(held.values()))
        work(list(held.values()))
    assert side.pull() == {}


def test_a_lease_that_runs_out_gives_the_message_back(side):
    if side.clock is None:
        pytest.skip("its clock is not ours")
    side.publish(b"a", {})
    held = side.pull()
    side.clock.advance(LEASE - 1)
    assert side.pull() == {}
    side.queue.extend(list(held.values()))
    side.clock.advance(LEASE - 1)
    assert side.pull() == {}
    side.clock.advance(2)
    assert side.pull().keys() == {"a"}


@pytest.mark.parametrize("server", ["embedded", "emulator"])
@pytest.mark.parametrize(
    "work",
    [lambda queue: queue.pull(1), lambda queue: queue.extend(["x"]), lambda queue: queue.acknowledge(["x"])],
    ids=["pull", "extend", "acknowledge"],
)
def test_a_subscription_that_does_not_exist_is_no_empty_one(request, server, work):
    with ExitStack() as running:
        if server == "embedded":
            address = running.enter_context(EmbeddedPubsub("projects/local/topics/t", lambda _: None)).address
        else:
            address = request.getfixturevalue("emulator")
        queue = adapter(running, address, "projects/local/subscriptions/no-such")
        with pytest.raises(Permanent) as refused:
            work(queue)
        assert refused.value.reason is Reason.SUBSCRIPTION_NOT_FOUND
