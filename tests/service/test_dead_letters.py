"""From a message that Pub/Sub gives up to the replica that is made after all: the real doors behind push, and the
command line as a process of its own.
"""

import json
import os
import re
import shlex
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient

from replicator.dev import environment
from replicator.dev.deliveries import Backoff
from replicator.dev.message import Message, given_up, revived
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.pull import PullSubscription
from replicator.dev.push import PushSubscription
from replicator.ports import LEASE
from tests.deploy.pubsub_emulator import NotInstalled, find_emulator, running_emulator
from tests.fakes import Clock
from tests.servers import AWS
from tests.service.command_line import CommandLine
from tests.service.conftest import REPLICA, SOURCE, serving
from tests.service.envelopes import eventbridge

ROOT = Path(__file__).parents[2]
TOPIC = "projects/local/topics/s3-events"
MISSING = "missing-bucket"
"""A bucket of the rules that is made only when its absence is mended."""

POISON = b"\x1b[2Jnot an event"


class Held(PullSubscription):
    """Dead letters; `on_acknowledge` runs before a request to acknowledge is carried out, and may say no."""

    on_acknowledge: Callable[[], bool] = staticmethod(lambda: True)

    def acknowledge(self, ack_ids) -> None:
        if self.on_acknowledge():
            super().acknowledge(ack_ids)


class Route:
    """From the topic through push to the doors; and what is given up on the way, with the command line for it."""

    def __init__(self, running: ExitStack, s3_url: str, folder: Path) -> None:
        self.clock = Clock()
        self.dead = Held("projects/local/subscriptions/s3-events-dead", self.clock)
        self.service = running.enter_context(serving(s3_url))
        self.on_publish: Callable[[], bool] = lambda: True
        self.published: list[Message] = []
        self.push = PushSubscription(
            f"{self.service.url}/",
            lambda line: None,
            backoff=Backoff(0.001, 0.001),
            max_attempts=2,
            dead_letters=self.dead,
        )
        running.enter_context(self.push)
        pubsub = running.enter_context(EmbeddedPubsub(TOPIC, self._take, self.dead))
        variables = {
            **environment.inherited(),
            **AWS,
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL_S3": s3_url,
            "STORAGE_EMULATOR_HOST": self.service.storage.url,
            "SOURCE_S3_BUCKETS": f"{SOURCE},{MISSING}",
            "TARGET_GCS_BUCKET": REPLICA,
            "PUBSUB_EMULATOR_HOST": pubsub.address,
            "PUBSUB_TOPIC": TOPIC,
            "DEAD_LETTER_SUBSCRIPTION": self.dead.name,
            "MAX_RETRIES": "0",
        }
        self.line = CommandLine(self.service.s3, self.service.storage, folder, variables)

    def _take(self, message: Message) -> None:
        if self.on_publish():
            self.published.append(message)
            self.push.add(message)

    def send(self, body: bytes, **attributes: str) -> None:
        """Publishes a message and waits until it is done with, or given up."""
        self.push.add(Message(f"m{len(self.dead.messages)}", body, attributes, datetime.now(UTC)))
        assert self.push.settle(60)

    def run(self, *arguments: str) -> list[dict]:
        """The documents that the command prints, once all it has published is done with, or given up."""
        code, out, err = self.line.run("dead-letters", *arguments, "--json")
        assert code == 0, err
        assert self.push.settle(60)
        return [json.loads(text) for text in out.splitlines()]

    def mend(self, key: str, data: bytes) -> None:
        self.service.s3.create_bucket(Bucket=MISSING)
        self.service.s3.put_object(Bucket=MISSING, Key=key, Body=data)

    def clean_up(self) -> None:
        for found in self.service.s3.list_buckets()["Buckets"]:
            if found["Name"] == MISSING:
                for kept in self.service.s3.list_objects_v2(Bucket=MISSING).get("Contents", ()):
                    self.service.s3.delete_object(Bucket=MISSING, Key=kept["Key"])
                self.service.s3.delete_bucket(Bucket=MISSING)


@pytest.fixture
def route(s3_url, tmp_path) -> Iterator[Route]:
    with ExitStack() as running:
        found = Route(running, s3_url, tmp_path)
        running.callback(found.clean_up)
        yield found


def event(key: str) -> bytes:
    return json.dumps(eventbridge(key, bucket=MISSING)).encode()


def test_a_message_whose_cause_is_mended_converges_like_any_other(route):
    route.send(POISON)
    route.send(event("reports/1"), bucket=MISSING, event_id="e-1")
    assert [letter["reasons"] for letter in route.run("list")] == [["event_malformed"], ["source_bucket_not_found"]]

    route.mend("reports/1", b"hello")
    (mended,) = route.run("list", "--mended")
    assert (mended["reasons"], mended["attempts"]) == (["destination_absent"], 2)
    assert route.service.visible("reports/1") is None

    (replayed,) = route.run("replay", "--key", "reports/*", "--rule", "default", "--newer-than", "1h")
    assert route.service.visible("reports/1") == b"hello"
    (message,) = route.published
    assert replayed["next_message_id"] == message.message_id
    assert (message.data, message.attributes) == (event("reports/1"), {"bucket": MISSING, "event_id": "e-1"})

    assert [letter.data for letter in route.dead.messages] == [POISON]
    (discarded,) = route.run("discard", "--reason", "event_malformed", "--yes")
    assert (discarded["reasons"], route.dead.messages) == (["event_malformed"], ())


def test_what_is_replayed_without_being_mended_comes_back_as_it_was(route):
    route.send(POISON, bucket="b")
    route.run("replay", "--all")
    assert len(route.published) == 1
    (letter,) = route.dead.messages
    assert (letter.data, revived(letter).attributes) == (POISON, {"bucket": "b"})


@pytest.mark.parametrize("moment", ["publish", "acknowledge"])
def test_a_command_that_is_killed_in_the_middle_loses_nothing(route, moment):
    """Before Pub/Sub has the new message, and after that, before the old one is removed."""
    reached, go_on = threading.Event(), threading.Event()

    def lose() -> bool:
        """The request is on its way when the process dies, and never arrives."""
        reached.set()
        go_on.wait(60)
        return False

    route.send(event("k"))
    route.mend("k", b"hello")
    if moment == "publish":
        route.on_publish = lose
    else:
        route.dead.on_acknowledge = lose
    process = route.line.start("dead-letters", "replay", "--all", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert reached.wait(60)
        process.kill()
        out, _ = process.communicate(timeout=30)
    finally:
        go_on.set()
    assert out == ""
    assert route.push.settle(60)
    assert route.service.visible("k") == (None if moment == "publish" else b"hello")
    assert len(route.dead.messages) == 1

    route.on_publish = route.dead.on_acknowledge = lambda: True
    assert route.run("list") == []  # in the dead process's hands still
    route.clock.advance(LEASE)
    (replayed,) = route.run("replay", "--all")
    assert replayed["reasons"] == ["destination_absent" if moment == "publish" else "in_sync"]
    assert (route.service.visible("k"), route.dead.messages) == (b"hello", ())


def test_looking_takes_nothing_away_and_hides_nothing_from_the_next_look(route):
    route.send(POISON)
    route.send(event("k"))
    before = route.dead.messages
    for arguments in (("list",), ("replay", "--all", "--dry-run"), ("list",)):
        assert len(route.run(*arguments)) == 2
    assert (route.dead.messages, route.published) == (before, [])


@pytest.mark.timeout(240)
def test_the_same_with_google_s_emulator(route):
    """Its own push, dead letters and pull in place of ours; only the doors and the command line are the same."""
    try:
        installed = find_emulator()
    except NotInstalled as missing:
        pytest.skip(f"Google's emulator cannot run: {missing}")
    with running_emulator(installed) as address:
        with patch.dict(os.environ, {"PUBSUB_EMULATOR_HOST": address}), connect_publisher() as publisher:
            give_up_with(publisher, f"{route.service.url}/", route.dead.name, [POISON, event("k")])
        route.line.variables["PUBSUB_EMULATOR_HOST"] = address
        listed: list[dict] = []
        deadline = time.monotonic() + 120
        while len(listed) < 2:
            assert time.monotonic() < deadline
            listed = route.run("list")
        assert sorted(letter["reasons"] for letter in listed) == [["event_malformed"], ["source_bucket_not_found"]]
        assert {letter["attempts"] for letter in listed} == {5}
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


DOCUMENT = (ROOT / "docs/dead-letters.md").read_text()
EXAMPLES = re.findall(r"^\$ python -m replicator (.+)\n((?:(?!\$ |```).*\n)*)", DOCUMENT, re.MULTILINE)


def test_the_document_s_examples_print_what_it_says(route):
    assert len(EXAMPLES) == DOCUMENT.count("\n$ ") == 4
    route.service.put("reports/1.csv", b"1", StorageClass="GLACIER")
    route.service.put("hello.txt", b"Hello")
    bodies = [
        b"Hello from somebody else",
        *(json.dumps(eventbridge(key)).encode() for key in ("reports/1.csv", "hello.txt")),
    ]
    for number, (body, hours) in enumerate(zip(bodies, (50, 49, 3.5), strict=True), 1795233014345674):
        published = datetime.now(UTC) - timedelta(hours=hours)
        route.dead.add(given_up(Message(str(number), body, {}, published), "projects/p/subscriptions/s", 20))
    for command, expected in EXAMPLES:
        code, out, err = route.line.run(*shlex.split(command))
        assert (code, out + err) == (0, expected)
    assert (route.line.folder / "malformed.jsonl").read_text().count("\n") == 1
    assert route.push.settle(60)
    assert route.service.visible("hello.txt") == b"Hello"
