"""Who comes in at the door of the target `ingest`, and when what comes in is acknowledged: once Pub/Sub has it."""

import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import requests

from replicator.dev.message import Message
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.web.openapi import describe
from replicator.web.openapi_doors import INGEST
from replicator.web.requests import SECRET_HEADER
from tests.google_keys import encoded, signing_key
from tests.service.envelopes import BUCKET, eventbridge
from tests.service.observed import Observed, observed

TOPIC = "projects/p/topics/s3-events"
OLD, NEW, WRONG = "the-old-ingest-secret", "the-new-ingest-secret", "a-wrong-ingest-secret"


class Topic:
    """The topic behind a running `ingest`: what Pub/Sub has, and how it takes it."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.taking: Callable[[Message], None] = lambda message: None

    def take(self, message: Message) -> None:
        self.taking(message)
        self.messages.append(message)


@contextmanager
def ingest(folder: Path, topic: Topic, *secrets: str) -> Iterator[Observed]:
    with EmbeddedPubsub(TOPIC, topic.take) as pubsub:
        told = {"PUBSUB_TOPIC": TOPIC, "PUBSUB_EMULATOR_HOST": pubsub.address, "INGEST_SECRETS": ",".join(secrets)}
        with observed(folder, "ingest", **told) as service:
            yield service


@pytest.fixture(scope="module")
def topic() -> Topic:
    return Topic()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, topic: Topic) -> Iterator[Observed]:
    """With the new secret."""
    with ingest(tmp_path_factory.mktemp("ingest"), topic, NEW) as service:
        yield service


@pytest.fixture
def service(running: Observed, topic: Topic) -> Observed:
    """The same for all tests; its topic is empty, and takes what comes."""
    topic.messages, topic.taking = [], lambda message: None
    return running


def send(service: Observed, key: str = "k", headers: dict[str, str] | None = None, **request: Any) -> requests.Response:
    headers = {SECRET_HEADER: NEW} if headers is None else headers
    return service.call("POST", "/v1/events", headers=headers, json=eventbridge(key), **request)


def wrong_secrets() -> dict[str, tuple[dict[str, str], dict[str, str]]]:
    """Headers and query of a caller who does not have the new secret."""
    return {
        "nothing": ({}, {}),
        "an empty one": ({SECRET_HEADER: ""}, {}),
        "a wrong one": ({SECRET_HEADER: WRONG}, {}),
        "its beginning": ({SECRET_HEADER: NEW[:-1]}, {}),
        "more than it": ({SECRET_HEADER: f"{NEW}x"}, {}),
        "capitals": ({SECRET_HEADER: NEW.upper()}, {}),
        "both at once": ({SECRET_HEADER: f"{OLD},{NEW}"}, {}),
        "as a bearer's token": ({"Authorization": f"Bearer {NEW}"}, {}),
        "as a password": ({"Authorization": "Basic " + encoded(f"ingest:{NEW}".encode())}, {}),
        "as an API key": ({"X-Api-Key": NEW}, {}),
        "in a cookie": ({"Cookie": f"{SECRET_HEADER}={NEW}"}, {}),
        "in the query": ({}, {SECRET_HEADER: NEW}),
        "letters of any kind": ({SECRET_HEADER: "\xff\x80" * 10}, {}),
        "a very long one": ({SECRET_HEADER: "x" * 4000}, {}),
        "a token as Google's": ({"Authorization": f"Bearer {signing_key().sign({})}"}, {}),
    }


def test_during_a_rotation_old_and_new_secret_come_in_and_afterwards_only_the_new(tmp_path, service, topic):
    during = Topic()
    with ingest(tmp_path, during, OLD, NEW) as rotating:
        assert [send(rotating, headers={SECRET_HEADER: secret}).status_code for secret in (OLD, NEW)] == [204, 204]
    assert [send(service, headers={SECRET_HEADER: secret}).status_code for secret in (OLD, NEW)] == [403, 204]
    assert (len(during.messages), len(topic.messages)) == (2, 1)


def test_without_the_secret_every_door_that_wants_it_is_closed_with_403_and_nothing_is_published(service, topic):
    """401 would end EventBridge's whole connection."""
    assert service.call("GET", "/openapi.json").json() == describe(INGEST)
    assert INGEST.operations["POST", "/v1/events"].security
    for (method, path), operation in INGEST.operations.items():
        for name, (headers, query) in wrong_secrets().items():
            event = eventbridge("k") if method == "POST" else None
            answer = service.call(method, path, headers=headers, params=query, json=event)
            if operation.security:
                assert (answer.status_code, answer.json()["reason"]) == (403, "ingest_secret_wrong"), name
                assert "WWW-Authenticate" not in answer.headers, name
            else:
                assert answer.status_code == 200, name
    assert topic.messages == []
    service.wait_for_line(lambda line: line.get("reason") == "ingest_secret_wrong")


def test_an_event_is_acknowledged_when_it_is_durable_and_not_before(service, topic):
    reached, go_on = Event(), Event()
    topic.taking = lambda message: (reached.set(), go_on.wait(2))
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, service)
        assert reached.wait(10)
        assert wait([sending], 0.5).done == set()
        assert topic.messages == []
        go_on.set()
        assert sending.result(10).status_code == 204
    (message,) = topic.messages
    event = eventbridge("k")
    assert json.loads(message.data) == event
    assert dict(message.attributes) == {"bucket": BUCKET, "kind": event["detail-type"], "event_id": event["id"]}


def test_what_pubsub_does_not_confirm_in_time_is_answered_503_in_time(service, topic):
    """Before EventBridge gives up, after 5 s: it then sends the event again."""
    assert send(service).status_code == 204
    go_on = Event()
    topic.taking = lambda message: go_on.wait(10)

    def timed(number: int) -> tuple[int, str, float]:
        began = time.perf_counter()
        answer = send(service, f"stalled-{number}")
        return answer.status_code, answer.json()["reason"], time.perf_counter() - began

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(timed, range(4)))
    go_on.set()
    assert {(status, reason) for status, reason, _ in answers} == {(503, "publish_failed")}
    assert max(seconds for *_, seconds in answers) < 4.5
    topic.taking = lambda message: None
    assert send(service, "later").status_code == 204


SLOW, SLOWER = 0.2, 0.5
"""Seconds that Pub/Sub takes for an event, and for one in twenty."""

SENDERS = 8


def test_with_a_slow_publish_nearly_all_events_are_durable_within_a_second(service, topic, proof):
    count, delays = 2000 if proof.long else 160, random.Random(5)

    def timed(number: int) -> float:
        began = time.perf_counter()
        assert send(service, f"k-{number}").status_code == 204
        return time.perf_counter() - began

    with ThreadPoolExecutor(SENDERS) as pool:
        quick = sorted(pool.map(timed, range(count)))
        topic.taking = lambda message: time.sleep(SLOWER if delays.random() < 0.05 else SLOW)
        slow = sorted(pool.map(timed, range(count, 2 * count)))
    sent = {f"k-{number}" for number in range(2 * count)}
    assert {json.loads(message.data)["detail"]["object"]["key"] for message in topic.messages} == sent
    assert percentile(slow, 99) < 1
    kinds = {"Pub/Sub takes no time": quick, f"it takes {SLOW} s, and for one event in twenty {SLOWER} s": slow}
    rows = [
        f"| {kind} | {len(found)} | {percentile(found, 50):.3f} | {percentile(found, 99):.3f} | {found[-1]:.3f} |"
        for kind, found in kinds.items()
    ]
    head = f"| from request to 204, {SENDERS} senders at once | events | p50 s | p99 s | longest s |"
    proof.report("doors", "\n".join([head, "|---|---|---|---|---|", *rows]))


def percentile(ordered: Sequence[float], percent: int) -> float:
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]
