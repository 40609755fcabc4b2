"""The way of a message that is given up: the real doors behind push, a topic, dead letters, and the command line."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from replicator.dev import environment
from replicator.dev.deliveries import Backoff
from replicator.dev.message import Message
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.pull import PullSubscription
from replicator.dev.push import PushSubscription
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


def event(key: str) -> bytes:
    return json.dumps(eventbridge(key, bucket=MISSING)).encode()


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


@contextmanager
def running_route(s3_url: str, folder: Path) -> Iterator[Route]:
    with ExitStack() as running:
        route = Route(running, s3_url, folder)
        running.callback(route.clean_up)
        yield route
