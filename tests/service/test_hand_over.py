"""Copies that take many requests, over HTTP and gRPC: from Pub/Sub's push to the door, and from the door to a topic."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from threading import Event

import pytest

from replicator.adapters.pubsub import PubsubPublisher, connect
from replicator.dev.deliveries import Backoff
from replicator.dev.message import Message
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.push import PushSubscription
from replicator.errors import Transient, Unfinished
from replicator.events import parse
from replicator.ports import Publisher
from replicator.reasons import Reason
from tests.servers import listening
from tests.unit.web.doors import KEY, NAME, Service, eventbridge

TOPIC = "projects/local/topics/s3-events"
REPLICA = str(NAME)
ATTEMPTS = 5
"""After so many deliveries Pub/Sub gives a message up."""


class Route:
    """From a message to the door, from there to the topic, and from that to the subscription again.

    `refuse` is called before each message is taken; `messages` are all that were ever published.
    """

    def __init__(self, running: ExitStack, topic: bool) -> None:
        self.messages: list[Message] = []
        self.refuse: Callable[[], None] = lambda: None
        pubsub = running.enter_context(EmbeddedPubsub(TOPIC, self._take))
        client = connect(None, pubsub.address)
        running.callback(client.transport.close)
        self.service = Service(Refusing(PubsubPublisher(client, TOPIC), self) if topic else None)
        self.service.source.put(KEY, b"hello")
        url = running.enter_context(listening(self.service.doors))
        self.push = PushSubscription(
            f"{url}/", lambda line: None, backoff=Backoff(0.001, 0.001), max_attempts=ATTEMPTS, concurrency=2
        )
        running.enter_context(self.push)

    def _take(self, message: Message) -> None:
        self.messages.append(message)
        self.push.add(message)

    def send(self, *errors: Exception) -> bytes | None:
        """What the replica holds when all is settled, after an event that meets these errors, one in each attempt."""
        self.service.errors[REPLICA] = list(errors)
        self.push.add(Message("0", json.dumps(eventbridge()).encode(), {"kind": "Object Created"}, datetime.now(UTC)))
        assert self.push.settle(60)
        return self.service.destination.data(NAME)


class Refusing:
    """A publisher in front of another, which may refuse."""

    def __init__(self, publisher: Publisher, route: Route) -> None:
        self._publisher, self._route = publisher, route

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        self._route.refuse()
        return self._publisher.publish(data, attributes)


@contextmanager
def running(topic: bool) -> Iterator[Route]:
    with ExitStack() as stack:
        yield Route(stack, topic)


@pytest.fixture
def route() -> Iterator[Route]:
    with running(topic=True) as found:
        yield found


def requests(count: int) -> list[Unfinished]:
    return [Unfinished(copied, count + 1) for copied in range(1, count + 1)]


def out_of_time(count: int) -> list[Transient]:
    return [Transient(Reason.OUT_OF_TIME) for _ in range(count)]


def test_a_copy_of_many_more_requests_than_there_are_attempts_gets_there(route):
    assert route.send(*requests(4 * ATTEMPTS)) == b"hello"
    assert route.push.dead_letters == ()
    assert len(route.messages) == 4 * ATTEMPTS


def test_every_message_says_what_the_first_one_said(route):
    route.send(*requests(3))
    first = parse(json.dumps(eventbridge()).encode())
    assert [parse(message.data) for message in route.messages] == [first] * 3
    assert route.messages[0].attributes == {"bucket": "source", "kind": "Object Created", "event_id": "e-1"}


def test_without_a_topic_each_request_is_one_of_the_attempts():
    with running(topic=False) as route:
        assert route.send(*requests(ATTEMPTS - 1)) == b"hello"
        assert route.push.dead_letters == ()
    with running(topic=False) as route:
        assert route.send(*requests(ATTEMPTS)) is None
        assert len(route.push.dead_letters) == 1


def test_a_message_is_acknowledged_only_when_the_next_one_is_safe(route):
    asked, go_on = Event(), Event()

    def hold() -> None:
        asked.set()
        assert go_on.wait(60)

    route.refuse = hold
    route.service.errors[REPLICA] = [*requests(1)]
    route.push.add(Message("0", json.dumps(eventbridge()).encode(), {}, datetime.now(UTC)))
    assert asked.wait(60)
    assert not route.push.settle(0.2)  # it is in the subscription's hands still
    assert (route.push.unfinished, route.messages) == (1, [])
    go_on.set()
    assert route.push.settle(60)
    assert len(route.messages) == 1
    assert route.service.destination.data(NAME) == b"hello"


def test_what_cannot_be_published_is_delivered_again_and_lost_never(route):
    refusals = [Transient(Reason.PUBLISH_FAILED) for _ in range(ATTEMPTS - 1)]

    def refuse() -> None:
        if refusals:
            raise refusals.pop()

    route.refuse = refuse
    assert route.send(*requests(ATTEMPTS)) == b"hello"
    assert route.push.dead_letters == ()
    assert len(route.messages) == 1


@pytest.mark.parametrize("ahead", [0, 2 * ATTEMPTS])
def test_a_copy_that_gets_nowhere_becomes_a_dead_letter_however_far_it_came(route, ahead):
    assert route.send(*requests(ahead), *out_of_time(ATTEMPTS)) is None
    assert len(route.messages) == ahead
    [letter] = route.push.dead_letters
    assert letter.message_id == (route.messages[-1].message_id if ahead else "0")
    assert route.push.replay() == 1
    assert route.push.settle(60)
    assert route.service.destination.data(NAME) == b"hello"
