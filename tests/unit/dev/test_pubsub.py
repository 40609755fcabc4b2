import pytest
from google.api_core import exceptions as api

from replicator.adapters.pubsub import PubsubPublisher, connect
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.errors import Transient

TOPIC = "projects/local/topics/events"


@pytest.fixture
def messages():
    return []


@pytest.fixture
def client(messages):
    with EmbeddedPubsub(TOPIC, messages.append) as server:
        client = connect(None, server.address)
        yield client
        client.transport.close()


def test_the_real_client_publishes_to_it(client, messages):
    publisher = PubsubPublisher(client, TOPIC)
    ids = [publisher.publish(data, {"bucket": "b"}) for data in (b"one", "zwölf 🦊".encode())]
    assert [(message.message_id, message.data, message.attributes) for message in messages] == [
        (ids[0], b"one", {"bucket": "b"}),
        (ids[1], "zwölf 🦊".encode(), {"bucket": "b"}),
    ]
    assert ids[0] != ids[1]


def test_an_attribute_may_have_any_name(client, messages):
    """Of a dead letter that is replayed: anybody may have published it."""
    attributes = dict.fromkeys(["self", "topic", "data", "timeout", "bucket", "", "\x1b[2J"], "x")
    message_id = PubsubPublisher(client, TOPIC).publish(b"one", attributes)
    assert [(message.message_id, message.attributes) for message in messages] == [(message_id, attributes)]


@pytest.mark.parametrize("attributes", [{}, {"topic": "x"}])
def test_another_topic_does_not_exist(client, messages, attributes):
    with pytest.raises(Transient) as caught:
        PubsubPublisher(client, "projects/local/topics/other").publish(b"", attributes)
    assert isinstance(caught.value.__cause__, api.NotFound)
    assert messages == []
