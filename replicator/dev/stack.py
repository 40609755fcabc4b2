"""The whole system on loopback: S3 -> EventBridge -> `ingest` -> Pub/Sub -> `replicate` -> Cloud Storage.

    with Stack(Path("local")) as stack:
        stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="hello.txt", Body=b"Hello")
        stack.settle(10)

Only the two in the middle are the product; the rest imitates what surrounds it in production.
"""

import secrets
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError
from rich.console import Console

from replicator.dev import clients, environment
from replicator.dev.cloud_storage import CloudStorageServer
from replicator.dev.errors import Interrupted, StackError
from replicator.dev.eventbridge import ApiDestination
from replicator.dev.events import event_of
from replicator.dev.folder import FolderWatch
from replicator.dev.folders import make_folder, sole_use
from replicator.dev.message import Message
from replicator.dev.page import Buckets, FaultSwitch, Hub, PageServer, Parts, shown
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.pull import PullSubscription
from replicator.dev.push import PushSubscription
from replicator.dev.rules import DESTINATION_BUCKET, ONE_RULE, SOURCE_BUCKET, LocalRules
from replicator.dev.s3 import EmbeddedS3
from replicator.dev.screen import Screen
from replicator.dev.services import Service
from replicator.dev.sockets import HOST, bind, url_of

TOPIC = "projects/local/topics/s3-events"
DEAD_LETTERS = "projects/local/subscriptions/s3-events-dead"
SECRET_HEADER = "X-Ingest-Secret"  # noqa: S105  the header's name
PUBLISHED = "published"
"""What `ingest` says of each event that it passes on; what becomes of it is for `replicate` to say."""

ACK_DEADLINE = 60
"""Seconds that `replicate` has for one message; its own deadline is shorter."""


class Stack:
    """One run of everything. Replicas appear as files in `replica_root / DESTINATION_BUCKET`.

    `port` is that of `replicate`; S3 takes the next one if it is free, the page the one after that, and everything else
    any. These three listen on `host`, the rest on loopback always. Where there is a `source_folder`, its files are put
    into S3. `rules` say what is replicated. One at a time in a process: moto keeps its objects once per process.
    """

    def __init__(
        self,
        replica_root: Path,
        *,
        host: str = HOST,
        port: int = 0,
        source_folder: Path | None = None,
        rules: LocalRules = ONE_RULE,
        screen: Screen | None = None,
    ) -> None:
        self.replica_folder = replica_root / DESTINATION_BUCKET
        self.source_folder = source_folder
        self.rules = rules
        self.ingest_secret = secrets.token_urlsafe(24)
        self._replica_root, self._host, self._port = replica_root, host, port
        self._screen = screen or Screen(Console(quiet=True))
        self._ended = Event()
        self._failure: str | None = None
        self._lock = Lock()
        self._deliveries: list[ApiDestination | PushSubscription] = []
        self._hub = Hub()
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._start(starting)
            self._cleanup = starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._cleanup.close()

    @property
    def dead_letters(self) -> tuple[Message, ...]:
        """What Pub/Sub gave up."""
        return self._push.dead_letters

    @property
    def sides(self) -> dict[str, str]:
        """The variables that lead to the two sides, for the service and for the command line."""
        return {
            "AWS_ENDPOINT_URL_S3": self.s3_url,
            "AWS_ACCESS_KEY_ID": clients.AWS_ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": clients.AWS_SECRET_ACCESS_KEY,
            "AWS_REGION": clients.AWS_REGION,
            "STORAGE_EMULATOR_HOST": self.storage_url,
        }

    @property
    def variables(self) -> dict[str, str]:
        """What makes the command line see what the service sees."""
        return {**self.sides, **self.rules.variables, **self._topic, "DEAD_LETTER_SUBSCRIPTION": DEAD_LETTERS}

    def settle(self, timeout: float) -> bool:
        """Waits until every event so far has reached its end, for at most `timeout` seconds in each of two stages.

        Raises what `wait` raises when the stack ends before that.
        """
        # In this order: an event that EventBridge is done with is a message by then.
        settled = all(deliveries.settle(timeout) for deliveries in self._deliveries)
        self._check()
        return settled

    def wait(self) -> None:
        """Waits until the stack ends. Raises `StackError` if a service died, else `Interrupted`."""
        self._ended.wait()
        self._check()

    def end(self) -> None:
        """Wakes whoever waits for the stack; leaving its `with` is what stops it. From any thread, at any time."""
        self._ended.set()
        for deliveries in self._deliveries:
            deliveries.stop()

    def _start(self, started: ExitStack) -> None:
        """In the order of dependence; `started` stops everything in the reverse order."""
        if self.source_folder is not None:
            make_folder(self.source_folder)
        make_folder(self._replica_root)
        replicate_socket = started.enter_context(bind(self._port, host=self._host))
        ingest_socket = started.enter_context(bind(0))
        s3_socket, page_socket = (
            started.enter_context(bind(self._port and self._port + following, or_any=True, host=self._host))
            for following in (1, 2)
        )
        started.enter_context(sole_use(self._replica_root))

        cloud_storage = CloudStorageServer(folder=self._replica_root, buckets=sorted(self.rules.destination_buckets))
        self.storage_url = started.enter_context(cloud_storage).url
        self.storage = clients.storage_client(self.storage_url)
        dead_letters = PullSubscription(DEAD_LETTERS)
        self._push = PushSubscription(
            f"{url_of(replicate_socket)}/", self._warn, ack_deadline=ACK_DEADLINE, dead_letters=dead_letters
        )
        pubsub = started.enter_context(EmbeddedPubsub(TOPIC, self._push.add, dead_letters))
        self.pubsub_address = pubsub.address
        secret = (SECRET_HEADER, self.ingest_secret)
        eventbridge = ApiDestination(f"{url_of(ingest_socket)}/v1/events", secret, self._warn)
        s3 = EmbeddedS3(s3_socket, self.rules.source_buckets, lambda write: eventbridge.add(event_of(write)))
        self.s3_url = started.enter_context(s3).url
        self.s3 = clients.s3_client(self.s3_url)
        self._deliveries += [started.enter_context(eventbridge), started.enter_context(self._push)]

        folder = Path(started.enter_context(tempfile.TemporaryDirectory(prefix="replicator-services-")))
        handlers = (self._show, self._warn, self._fail)
        replicate = Service("replicate", replicate_socket, self._replicate_environment(), *handlers)
        ingest = Service("ingest", ingest_socket, self._ingest_environment(), *handlers)
        self.replicate_url, self.ingest_url = replicate.url, ingest.url
        for service in (replicate, ingest):
            started.callback(service.stop)
            service.start(folder)
        for service in (replicate, ingest):
            started.callback(service.tell_to_end)  # both, before either is waited for
            service.wait_until_healthy(self._ended)
        self._check()
        buckets = Buckets(self.s3, SOURCE_BUCKET, self.storage, DESTINATION_BUCKET)
        switch = FaultSwitch(cloud_storage.faults)
        parts = Parts(buckets, switch, self._hub, self._progress, self._push.replay)
        self.page_url = started.enter_context(PageServer(page_socket, parts)).url
        if self.source_folder is not None:
            started.enter_context(FolderWatch(self.source_folder, self.s3, SOURCE_BUCKET, self._warn))

    def _replicate_environment(self) -> dict[str, str]:
        return {
            **environment.inherited(),
            **self.sides,
            **self.rules.variables,
            "AUTH": "none",
            **self._topic,
            "HOST": HOST,  # the socket is inherited; whoever names another host to the stack wants it open
            "DEADLINE_SECONDS": str(ACK_DEADLINE - 10),
            "MAX_RETRIES": "1",  # fewer than any deployment's: a person is watching, and Pub/Sub delivers again
        }

    def _ingest_environment(self) -> dict[str, str]:
        return {
            **environment.inherited(),
            "HOST": HOST,
            "INGEST_SECRETS": self.ingest_secret,
            **self._topic,
        }

    @property
    def _topic(self) -> dict[str, str]:
        return {"PUBSUB_TOPIC": TOPIC, "PUBSUB_EMULATOR_HOST": self.pubsub_address}

    def _check(self) -> None:
        if self._failure:
            raise StackError(self._failure)
        if self._ended.is_set():
            raise Interrupted

    def _fail(self, why: str) -> None:
        with self._lock:
            self._failure = self._failure or why
        self.end()

    def _warn(self, text: str) -> None:
        self._screen.say(text, "yellow")

    def _show(self, fields: Mapping[str, Any]) -> None:
        if fields["result"] == PUBLISHED or fields.get("dry_run"):  # neither has changed what is shown
            return
        if (destination := fields.get("destination")) and not destination.startswith(f"gs://{DESTINATION_BUCKET}/"):
            fields = {**fields, "elsewhere": destination}
        self._hub.publish(shown(fields))
        bucket, _, key = str(fields.get("source", "")).removeprefix("s3://").partition("/")
        if bucket == SOURCE_BUCKET:
            self._screen.outcome({**fields, "source": key}, self._size(key))
        else:
            self._screen.outcome(fields, None)

    def _progress(self) -> dict[str, int]:
        """What the page shows of the events that have not come to their end, or to none."""
        under_way = sum(deliveries.unfinished for deliveries in self._deliveries)
        return {"under_way": under_way, "dead_letters": len(self.dead_letters)}

    def _size(self, key: str) -> int | None:
        """The size of the source object now, if there is one."""
        try:
            return self.s3.head_object(Bucket=SOURCE_BUCKET, Key=key)["ContentLength"]
        except (BotoCoreError, ClientError):
            return None
