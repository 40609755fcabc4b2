"""Overload: more requests than there are places, threads and memory for, a slow side, and the end in the middle of it.

Everybody is answered: done, or 503 with the time after which to come again.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import mean
from typing import Any
from urllib.parse import quote

import pytest
import requests

from replicator.bootstrap.memory import BESIDE, SHARE
from replicator.dev.clients import http_session
from replicator.dev.cloud_storage import CloudStorageServer, Fault, Stall
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.push import Message, push_envelope
from replicator.settings import MIN_MEMORY_BUDGET
from tests.bench.usage import peak_memory
from tests.proof.overload.crowd import call, crowd, push_all, rates
from tests.servers import cloud_storage, moto, s3_client
from tests.service.gunicorn import gunicorn

MIB = 1024**2
PLACES, CALLERS = 16, 48

LARGE, SMALL = [8 * MIB, 8 * MIB, 8 * MIB, 9 * MIB] * 5, [MIB] * 30
"""Sizes of what is copied. Without a budget as many as there are places would be beyond the bound."""

BOUND = BESIDE + SHARE * MIN_MEMORY_BUDGET
"""Bytes of a container for which this budget is the default."""

TOLD_AT_ONCE = 5.0
"""Seconds in which whoever is turned away knows it, on a busy machine."""

UNTIL_THE_END = 10.0
"""Seconds from SIGTERM to SIGKILL on Cloud Run."""

TOPIC = "projects/local/topics/s3-events"


@dataclass(frozen=True)
class Sides:
    """Both sides of a service."""

    s3_url: str
    s3: Any
    storage: CloudStorageServer

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket="source-bucket", Key=key, Body=data)

    def replica(self, key: str) -> bytes | None:
        url = f"{self.storage.url}/storage/v1/b/replica-bucket/o/{quote(key, safe='')}"
        response = requests.get(url, params={"alt": "media"}, timeout=60)
        return response.content if response.status_code == 200 else None


@pytest.fixture
def sides() -> Iterator[Sides]:
    with moto() as s3_url, cloud_storage("replica-bucket") as storage:
        s3 = s3_client(s3_url)
        s3.create_bucket(Bucket="source-bucket")
        yield Sides(s3_url, s3, storage)
        for found in s3.list_objects_v2(Bucket="source-bucket").get("Contents", ()):
            s3.delete_object(Bucket="source-bucket", Key=found["Key"])
        s3.delete_bucket(Bucket="source-bucket")


SETTINGS = {"CONCURRENCY": str(PLACES), "MEMORY_BUDGET": str(MIN_MEMORY_BUDGET)}


@pytest.mark.timeout(600)
def test_a_full_house_turns_others_away_stays_within_its_memory_and_is_as_fast_afterwards(proof, sides, tmp_path):
    times = 2 if proof.long else 1
    data = {f"copied-{n}": random.Random(n).randbytes(size) for n, size in enumerate((LARGE + SMALL) * times)}
    pushed = {f"pushed-{n}": random.Random(n).randbytes(MIB) for n in range(60 * times)}
    tiny = [f"tiny-{n}" for n in range(60 * times)]
    for key, content in (data | pushed).items():
        sides.put(key, content)
    for key in tiny:
        sides.put(key, b"hello")
    with gunicorn(tmp_path, sides.s3_url, sides.storage.url, **SETTINGS) as service:
        sides.storage.faults.add(Fault(Stall(seconds=0.5), path="/upload/", times=None))
        began = time.monotonic()
        answers = crowd(service.url, list(data), CALLERS)
        seconds = time.monotonic() - began
        subscription = push_all(service.url, list(pushed), CALLERS)
        sides.storage.faults.clear()

        memory = peak_memory(service.process_id).largest
        with gunicorn(tmp_path, sides.s3_url, sides.storage.url, **SETTINGS) as fresh:
            after, untouched = rates([service.url, fresh.url], tiny, PLACES)
    told = Counter((answer.status, answer.reason) for answer in answers)
    deliveries = subscription.attempts.values()
    sent_away = [answer for answer in answers if answer.reason == "overloaded"]
    rows = {
        "places, memory budget, callers": f"{PLACES}, {MIN_MEMORY_BUDGET // MIB} MiB, {CALLERS}",
        "copies, in all": f"{len(data)}, {sum(map(len, data.values())) // MIB} MiB in {seconds:.0f} s",
        "answers": told_as_text(told),
        "slowest: turned away, done": f"{max((one.seconds for one in sent_away), default=0):.1f} s, "
        f"{max(one.seconds for one in answers):.1f} s",
        "worker's memory at most, bound": f"{memory // MIB if memory else '(not measured)'} MiB, {BOUND // MIB} MiB",
        "pushed by Pub/Sub": f"{len(pushed)} messages, {mean(deliveries):.1f} deliveries each, "
        f"{max(deliveries)} at most, {len(subscription.dead_letters)} dead letters",
        "events a second afterwards, of a fresh service": f"{after:.0f}, {untouched:.0f} ({after / untouched:.2f})",
    }
    proof.report("overload", table(rows))
    assert {status for status, _ in told} == {204, 503}
    assert sent_away
    assert all(int(answer.retry_after or 0) > 0 for answer in answers if answer.status == 503)
    assert max(answer.seconds for answer in sent_away) < TOLD_AT_ONCE
    assert memory < BOUND
    assert after > (0.7 if proof.long else 0.5) * untouched
    assert max(deliveries) > 1
    assert subscription.dead_letters == ()
    assert [key for key, content in (data | pushed).items() if sides.replica(key) != content] == []


@pytest.mark.timeout(600)
def test_at_sigterm_everybody_is_answered_in_time_and_redelivery_repairs_what_is_left(proof, sides, tmp_path):
    data = {key: os.urandom(MIB) for key in ("quick-1", "quick-2", "hung", "hung-again")}
    data |= {"hung-stream": os.urandom(12 * MIB), "in-parts": os.urandom(66 * MIB)}
    for key, content in data.items():
        sides.put(key, content)
    go_on, under_way = threading.Event(), [threading.Event() for _ in data]
    stalls = {
        "name=quick-1": Stall(seconds=2, reached=under_way[0]),
        "name=quick-2": Stall(seconds=2, reached=under_way[1]),
        "name=hung": Stall(until=go_on, reached=under_way[2]),
        "name=hung-again": Stall(until=go_on, reached=under_way[3]),
        "name=hung-stream": Stall(until=go_on, reached=under_way[4]),
        r"name=\.replicator": Stall(seconds=2, reached=under_way[5]),
    }
    for path, stall in stalls.items():
        sides.storage.faults.add(Fault(stall, method="POST", path=f"{path}(&|%2F|/)", times=None))

    messages: list[Message] = []
    with EmbeddedPubsub(TOPIC, messages.append) as pubsub:
        topic = {"PUBSUB_TOPIC": TOPIC, "PUBSUB_EMULATOR_HOST": pubsub.address}
        with (
            gunicorn(tmp_path, sides.s3_url, sides.storage.url, **SETTINGS, **topic) as service,
            ThreadPoolExecutor(2 * PLACES) as callers,
            http_session() as http,
        ):
            calls = [callers.submit(call, service.url, key, http) for key in data]
            assert all(event.wait(60) for event in under_way)
            began = time.monotonic()
            service.tell_to_end()
            late = [callers.submit(call, service.url, "quick-1", http) for _ in range(PLACES // 2)]
            service.stop()
            seconds = time.monotonic() - began
            answers = [future.result() for future in calls]
            turned_away = Counter((one.result().status, one.result().reason) for one in late)
        go_on.set()
        sides.storage.faults.clear()
        visible = {key: sides.replica(key) for key in data}

        with (
            gunicorn(tmp_path, sides.s3_url, sides.storage.url, **SETTINGS, **topic) as service,
            http_session() as http,
        ):
            again = [one.key for one in answers if not one.settled]
            assert {call(service.url, key, http).status for key in again} <= {204}
            for message in messages:
                envelope = push_envelope(message, "projects/local/subscriptions/replicate", 1)
                assert http.post(service.url, json=envelope, timeout=60).status_code == 204
    told = Counter((answer.status, answer.reason) for answer in answers)
    last = max(answer.at for answer in answers) - began
    rows = {
        "requests under way": ", ".join(data),
        "their answers": told_as_text(told),
        "handed over to fresh messages": str(len(messages)),
        "requests after SIGTERM": told_as_text(turned_away),
        "seconds from SIGTERM to the last answer, to the last process": f"{last:.1f}, {seconds:.1f}",
    }
    proof.report("ending", table(rows))
    assert {one.key: (one.status, one.reason) for one in answers} == {
        "quick-1": (204, ""),
        "quick-2": (204, ""),
        "hung": (503, "stopping"),
        "hung-again": (503, "stopping"),
        "hung-stream": (503, "stopping"),
        "in-parts": (204, ""),
    }
    assert len(messages) == 1
    assert all(int(answer.retry_after or 0) > 0 for answer in answers if answer.status == 503)
    # Before the signal arrives they are served, and after it they are turned away or never accepted.
    assert turned_away.keys() <= {(204, ""), (503, "stopping"), (0, "ConnectionError")}
    assert seconds < UNTIL_THE_END
    assert {key: content for key, content in visible.items() if content not in (None, data[key])} == {}
    assert [key for key, content in data.items() if sides.replica(key) != content] == []


def told_as_text(told: Counter[tuple[int, str]]) -> str:
    return ", ".join(
        f"{count} of {status or 'no'} {reason}".strip() for (status, reason), count in sorted(told.items())
    )


def table(rows: dict[str, str]) -> str:
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
