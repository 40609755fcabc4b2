"""Dead letters with Google's own push, dead letters and pull in place of ours; only the doors and the command line are
the same. The long form alone: the emulator takes its time to give a message up.
"""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from tests.deploy.pubsub_emulator import emulator_or_skip
from tests.proof.conftest import Proof
from tests.servers import moto
from tests.service.giving_up import POISON, TOPIC, event, running_route


@pytest.mark.timeout(240)
def test_what_google_s_emulator_gives_up_converges_once_it_is_mended(proof: Proof, tmp_path: Path) -> None:
    if not proof.long:
        pytest.skip("takes its time: `make proof`, or --long")
    with emulator_or_skip() as address, moto() as s3_url, running_route(s3_url, tmp_path) as route:
        with patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": address}), connect_publisher() as publisher:
            give_up_with(publisher, f"{route.service.url}/", route.dead.name, [POISON, event("k")])
        route.line.variables["PUBSUB_EMULATOR_HOST"] = address
        listed: list[dict] = []
        deadline = time.monotonic() + 120
        while len(listed) < 2:
            assert time.monotonic() < deadline
            listed = route.run("list")
        assert sorted(letter["reasons"] for letter in listed) == [["event_malformed"], ["source_bucket_not_found"]]
        assert {letter["delivery_attempts"] for letter in listed} == {5}
        route.mend("k", b"hello")
        (replayed,) = route.run("replay", "--mended")
        assert replayed["attributes"] == {"bucket": "b"}
        while route.service.visible("k") is None:
            assert time.monotonic() < deadline
            threading.Event().wait(0.1)
        (discarded,) = route.run("discard", "--all", "--yes")
        assert discarded["reasons"] == ["event_malformed"]
        assert route.run("list") == []


@contextmanager
def connect_publisher() -> Iterator[PublisherClient]:
    client = PublisherClient()
    yield client
    client.stop()
    client.transport.close()


def give_up_with(publisher: PublisherClient, url: str, dead_letters: str, bodies: list[bytes]) -> None:
    """Publishes the messages to a topic that is pushed there, and whose dead letters go to that subscription."""
    dead_topic = "projects/local/topics/s3-events-dead"
    for topic in (TOPIC, dead_topic):
        publisher.create_topic(name=topic)
    with SubscriberClient() as subscriber:
        subscriber.create_subscription(name=dead_letters, topic=dead_topic)
        subscriber.create_subscription(
            request={
                "name": "projects/local/subscriptions/s3-events-push",
                "topic": TOPIC,
                "push_config": {"push_endpoint": url},
                "dead_letter_policy": {"dead_letter_topic": dead_topic, "max_delivery_attempts": 5},
                "retry_policy": {"minimum_backoff": {"nanos": 100_000_000}, "maximum_backoff": {"seconds": 1}},
            }
        )
    for body in bodies:
        publisher.publish(TOPIC, body, bucket="b").result(30)
