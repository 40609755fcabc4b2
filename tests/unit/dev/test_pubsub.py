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


def test_another_topic_does_not_exist(client, messages):
    with pytest.raises(Transient) as caught:
        PubsubPublisher(client, "projects/local/topics/other").publish(b"", {})
    assert isinstance(caught.value.__cause__, api.NotFound)
    assert messages == []
