"""The storm itself: the source is written, events are published in any order, and workers are killed meanwhile."""

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from replicator.dev.cloud_storage import Answer, CloudStorageServer, Fault, Flip, LoseAnswer, Reset
from tests.deploy.pubsub_emulator import Emulator
from tests.proof.storm.fleet import Fleet
from tests.proof.storm.front import Front
from tests.proof.storm.topic import embedded_topic, emulated_topic
from tests.proof.storm.traffic import (
    BUCKET,
    FORBIDDEN,
    LARGE,
    MISSING,
    SMALL,
    Sent,
    Step,
    Traffic,
    event_about,
    shuffled,
)
from tests.proof.storm.verdict import Expected, differences, source_state, temporaries, wrong_dead_letters
from tests.proof.storm.writing import Source

ROOT = Path(__file__).parents[3]
REPLICA = "replica-bucket"

STORAGE_FAULTS = (
    Fault(Answer(503), every=151, times=None),
    Fault(Answer(429, retry_after=1), every=313, skip=7, times=None),
    Fault(Reset(), every=199, skip=11, times=None),
    Fault(LoseAnswer(), method="POST", every=97, skip=3, times=None),
    Fault(LoseAnswer(), method="DELETE", every=13, skip=3, times=None),
    Fault(Flip(), method="PUT", every=7, skip=1, times=None),  # bytes alone: of what is beside them TLS takes care
)


@dataclass(frozen=True, slots=True)
class Weather:
    """How hard it blows. `source_faults` is the share of S3's reads that meet a fault; times are in seconds.

    An event arrives later by about `window` others; `under_way` are published and not acknowledged at most, poison
    included.
    """

    services: int = 2
    source_faults: float = 0.01
    kill_every: float = 1.0
    window: int = 200
    under_way: int = 150
    duplicates: float = 0.1
    max_attempts: int = 20
    patience: float = 240


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is left of a storm. `wrong` is empty when all is well; the rest are figures.

    `copied_bytes` are, for each folder, what was read from S3, for all states that there were, and what is there at the
    end. `deliveries` has how often each message was delivered that is no poison, `statuses` what came of them all.
    """

    wrong: list[str]
    pubsub: str
    objects: int
    writes: int
    copied_bytes: dict[str, tuple[int, int]]
    messages: int
    poison: int
    deliveries: list[int]
    statuses: Counter[int]
    kills: Counter[str]
    source_faults: Counter[str]
    storage_faults: int
    temporaries: int
    seconds: float


@contextmanager
def unsteady_s3(seed: int, share: float) -> Iterator[tuple[str, Counter[str]]]:
    """Its URL, and its counts, which are there when it has ended."""
    command = [sys.executable, "-m", "tests.proof.storm.source", str(seed), str(share)]
    counts: Counter[str] = Counter()
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process.stdout.readline().strip(), counts
        finally:
            said, _ = process.communicate(timeout=60)
            counts.update(json.loads(said))


def blow(traffic: Traffic, weather: Weather, emulator: Emulator | None, **variables: str) -> Aftermath:
    """Ends when every message is acknowledged or a dead letter. `variables` are settings of the services."""
    chance = random.Random(traffic.seed)
    settings = {"DELETES": "propagate", "SOURCE_S3_BUCKETS": f"{BUCKET},{FORBIDDEN},{MISSING}", **variables}
    with ExitStack() as running:
        s3_url, source_counts = running.enter_context(unsteady_s3(traffic.seed, weather.source_faults))
        source = Source(s3_url)
        storage = running.enter_context(CloudStorageServer(buckets=[REPLICA]))
        fleet = running.enter_context(Fleet(weather.services, s3_url, storage.url, settings))
        front = running.enter_context(Front(fleet.urls))
        topic = running.enter_context(
            emulated_topic(emulator, front.url, weather.max_attempts)
            if emulator
            else embedded_topic(front.url, weather.max_attempts)
        )
        for fault in STORAGE_FAULTS:
            storage.faults.add(fault)
        fleet.kill_from_now_on(weather.kill_every, random.Random(traffic.seed))

        began = time.monotonic()

        def out_of_patience() -> bool:
            return time.monotonic() > began + weather.patience

        published: list[tuple[Sent, Callable[[], str]]] = []
        for sent in _messages(traffic, source.written(traffic.steps), weather, chance):
            # The source goes on being written while events are on their way, not long before they arrive.
            while len(published) - len(front.acknowledged) > weather.under_way and not out_of_patience():
                time.sleep(0.002)
            published.append((sent, topic.publish(sent)))
        healthy = {message_id() for sent, message_id in published if not sent.poison}
        while (unfinished := healthy - front.acknowledged) and not out_of_patience():
            time.sleep(0.05)
        seconds = time.monotonic() - began

        letters = topic.dead_letters(len(traffic.poison))
        struck = storage.faults.struck
        storage.faults.clear()
        expected = source_state(s3_url, traffic.last)
        wrong = [f"{len(unfinished)} messages are neither acknowledged nor dead"] if unfinished else []
        wrong += wrong_dead_letters(letters, traffic.poison)
        wrong += differences(expected, storage.url, REPLICA)
        left_behind = temporaries(storage.url, REPLICA)
    return Aftermath(
        wrong,
        topic.name,
        objects=len(traffic.last),
        writes=len(traffic.steps),
        copied_bytes={folder: (source_counts.pop(folder), _bytes_in(folder, expected)) for folder in (SMALL, LARGE)},
        messages=len(published),
        poison=len(traffic.poison),
        deliveries=[front.attempts[message_id] for message_id in healthy],
        statuses=front.statuses,
        kills=fleet.kills,
        source_faults=source_counts,
        storage_faults=struck,
        temporaries=left_behind,
        seconds=seconds,
    )


def _bytes_in(folder: str, expected: Mapping[str, Expected]) -> int:
    return sum(len(one.data) for key, one in expected.items() if key.startswith(folder))


def _messages(traffic: Traffic, written: Iterator[Step], weather: Weather, chance: random.Random) -> Iterator[Sent]:
    """The events about what is written, in another order, with the poison and what is harmless among them."""
    others = [*traffic.poison, *traffic.harmless]
    chance.shuffle(others)
    events = (event_about(step, number) for number, step in enumerate(written))
    every = len(traffic.steps) // (len(others) + 1)
    for number, event in enumerate(shuffled(events, chance, weather.window, weather.duplicates)):
        if others and number % every == 0:
            yield others.pop()
        yield event
    yield from others
