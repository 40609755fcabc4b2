"""What every `ReplayTopic` promises: the in-memory one of the unit tests, and the real adapter on the embedded Pub/Sub
and on Google's emulator, where that is installed.
"""

import os
import uuid
from contextlib import ExitStack
from unittest.mock import patch

import grpc
import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from replicator.adapters.pubsub import connect
from replicator.adapters.pubsub_replay import PubsubReplayTopic
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.errors import Permanent
from replicator.ports import ReplayTopic
from replicator.reasons import Reason
from tests.fakes import InMemoryTopic
from tests.pubsub_stand_in import pubsub

TOPIC = "projects/local/topics/t"


def adapter(running: ExitStack, address: str, topic: str = TOPIC) -> ReplayTopic:
    client = connect(None, address)
    running.callback(client.transport.close)
    return PubsubReplayTopic(client, topic)


def emulated(running: ExitStack, address: str, names: list[str]) -> ReplayTopic:
    topic = f"projects/local/topics/t-{uuid.uuid4().hex}"
    with patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": address}):
        publisher, subscriber = PublisherClient(), running.enter_context(SubscriberClient())
    running.callback(publisher.transport.close)
    running.callback(publisher.stop)
    publisher.create_topic(name=topic)
    for name in names:
        subscriber.create_subscription(name=name, topic=topic)
    return adapter(running, address, topic)


@pytest.mark.parametrize("server", ["in memory", "embedded", "emulator"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_topic_names_all_its_subscriptions_and_takes_messages_in_any_case(request, server, count):
    names = [f"projects/local/subscriptions/s-{uuid.uuid4().hex}" for _ in range(count)]
    with ExitStack() as running:
        topic: ReplayTopic
        if server == "in memory":
            topic = InMemoryTopic(*names)
        elif server == "embedded":
            served = running.enter_context(EmbeddedPubsub(TOPIC, lambda _: None, followers=names))
            topic = adapter(running, served.address)
        else:
            topic = emulated(running, request.getfixturevalue("emulator"), names)
        assert topic.subscriptions() == set(names)
        assert topic.publish(b"x", {"bucket": "b"})


@pytest.mark.parametrize(
    ("server", "work"),
    [
        ("embedded", lambda topic: topic.subscriptions()),
        ("embedded", lambda topic: topic.publish(b"x", {})),
        ("emulator", lambda topic: topic.publish(b"x", {})),  # its list of such a topic is empty
    ],
)
def test_a_topic_that_does_not_exist_is_not_worth_another_try(request, server, work):
    with ExitStack() as running:
        if server == "embedded":
            address = running.enter_context(EmbeddedPubsub(TOPIC, lambda _: None)).address
        else:
            address = request.getfixturevalue("emulator")
        with pytest.raises(Permanent) as refused:
            work(adapter(running, address, "projects/local/topics/no-such"))
    assert refused.value.reason is Reason.TOPIC_NOT_FOUND


def test_a_refusal_names_the_permission_that_is_missing():
    with pubsub() as server, ExitStack() as running:
        server.denied.add("ListTopicSubscriptions")
        with pytest.raises(Permanent) as refused:
            adapter(running, server.address).subscriptions()
    assert refused.value.reason is Reason.TOPIC_ACCESS_DENIED
    assert "pubsub.topics.get" in (refused.value.detail or "")


def test_who_may_not_publish_is_told_so():

    class Denying(EmbeddedPubsub):
        def _publish(self, request, context):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "denied")

    with ExitStack() as running:
        topic = adapter(running, running.enter_context(Denying(TOPIC, lambda _: None)).address)
        with pytest.raises(Permanent) as refused:
            topic.publish(b"x", {})
    assert refused.value.reason is Reason.TOPIC_ACCESS_DENIED
    assert "pubsub.topics.publish" in (refused.value.detail or "")
