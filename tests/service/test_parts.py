"""Large objects in parts, between moto and the embedded Cloud Storage: over HTTP, in processes that may be killed."""

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests

from replicator.dev.cloud_storage import Answer, Fault, Flip, LoseAnswer, Reset, Stall
from replicator.ports import Publisher
from replicator.reasons import Reason
from replicator.transfer import Memory
from tests.proof.wire.faults import flipped
from tests.proof.wire.proxy import Proxy
from tests.servers import cloud_storage, moto, s3_client
from tests.service.conftest import REPLICA, SOURCE, Service, serving
from tests.service.envelopes import eventbridge, push
from tests.service.gunicorn import gunicorn

MIB = 1024**2
PART = 8 * MIB
SIZE = 9 * PART + 12345
PARTS = 10
DATA = os.urandom(SIZE)
NEWER = os.urandom(SIZE)
TEMPORARY = re.compile(r"\.replicator")
A_PART = r"uploadType=multipart&name=\.replicator"
A_COMPOSITION = r"/compose\?"


@pytest.fixture
def large(service: Service) -> Service:
    service.put("k", DATA, ChecksumAlgorithm="CRC64NVME")
    return service


def left_over(storage) -> list[str]:
    listed = requests.get(f"{storage.url}/storage/v1/b/{REPLICA}/o?prefix=.replicator/&versions=true", timeout=60)
    return [found["name"] for found in listed.json().get("items", [])]


def test_a_large_object_is_copied_in_parts_verified_and_nothing_is_left_over(large):
    answer = large.replicate("k")
    assert answer.status_code == 201
    outcome = answer.json()
    assert (outcome["path"], outcome["path_reason"], outcome["checked"]) == ("parts", "size", "CRC64NVME")
    assert large.visible("k") == DATA
    assert large.resource("k")["componentCount"] == PARTS
    assert left_over(large.storage) == []
    assert large.replicate("k").json()["result"] == "unchanged"


@pytest.mark.parametrize(
    ("bucket", "reason"),
    [
        ({"storageClass": "NEARLINE"}, "storage_class"),
        ({"retentionPolicy": {"retentionPeriod": "1"}}, "retention"),
        ({"defaultEventBasedHold": True}, "retention"),
        ({"versioning": {"enabled": True}}, "versioning"),
    ],
)
def test_a_bucket_that_would_keep_or_bill_temporary_objects_gets_a_stream(service, bucket, reason):
    service.put("k", DATA, ChecksumAlgorithm="CRC64NVME")
    requests.delete(f"{service.storage.url}/storage/v1/b/{REPLICA}", timeout=60).raise_for_status()
    created = {"name": REPLICA, **bucket}
    requests.post(f"{service.storage.url}/storage/v1/b?project=p", json=created, timeout=60).raise_for_status()
    outcome = service.replicate("k").json()
    assert (outcome["path"], outcome["path_reason"]) == ("stream", reason)
    assert not service.storage.requests.count(path=A_PART)
    assert service.visible("k") == DATA


def test_where_the_bucket_may_not_be_looked_at_it_is_a_stream(large):
    large.storage.faults.add(Fault(Answer(403), method="GET", path=rf"/b/{REPLICA}\?"))
    outcome = large.replicate("k").json()
    assert (outcome["path"], outcome["path_reason"]) == ("stream", "bucket_unknown")


# --- Faults -----------------------------------------------------------------------------------------------------------

FAULTS = [
    Fault(Answer(503), path=A_PART, skip=3),
    Fault(Reset(after_bytes=PART // 2), path=A_PART, skip=3),
    Fault(LoseAnswer(), path=A_PART, skip=3),
    Fault(LoseAnswer(), path=A_COMPOSITION),
    Fault(Answer(503), path=A_COMPOSITION),
    Fault(Reset(), path=A_COMPOSITION),
    Fault(Answer(503), method="GET", path=r"prefix=\.replicator"),
    Fault(Answer(503), method="GET", path=r"prefix=\.replicator", skip=1),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{type(fault.action).__name__} {fault.path} {fault.skip}")
def test_what_breaks_on_the_way_to_cloud_storage_is_repaired_within_the_attempt(large, fault):
    large.storage.faults.add(fault)
    assert large.replicate("k").status_code in (200, 201)
    assert large.visible("k") == DATA
    assert left_over(large.storage) == []
    assert not large.storage.faults.pending


@pytest.mark.parametrize("nth", [0, 4, PARTS - 1])
def test_a_bit_that_flips_between_the_two_sides_is_caught_before_the_object_becomes_visible(large, nth):
    """Cloud Storage refuses the part by its CRC32C; the next attempt sends all of them right."""
    large.storage.faults.add(Fault(Flip(), path=A_PART, skip=nth))
    looked = []

    def look():
        while not stop.is_set():
            looked.append(large.visible("k") in (None, DATA))

    stop = threading.Event()
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        assert large.replicate("k").status_code == 201
    finally:
        stop.set()
        watcher.join()
    assert all(looked)
    assert not large.storage.faults.pending
    assert large.visible("k") == DATA
    assert left_over(large.storage) == []


def test_a_bit_that_flips_on_the_way_from_s3_is_caught_by_s3_s_own_checksum(s3_url):
    with Proxy(s3_url) as proxy, serving(s3_url, source_url=proxy.url) as service:
        service.put("k", DATA, ChecksumAlgorithm="CRC64NVME")
        proxy.meet(flipped(1000), "^GET .*/k ", times=None)
        failed = service.push(push(eventbridge("k")))
        assert (failed.status_code, failed.json()["reason"]) == (503, Reason.CHECKSUM_MISMATCH)
        assert service.resource("k") is None
        assert left_over(service.storage) == []
        proxy.clear()
        assert service.push(push(eventbridge("k"))).status_code == 204
        assert service.visible("k") == DATA


def test_a_source_that_is_overwritten_in_the_middle_is_never_mixed(large):
    reached, go_on = threading.Event(), threading.Event()
    large.storage.faults.add(Fault(Stall(until=go_on, reached=reached, after_bytes=PART // 2), path=A_PART, skip=2))
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(large.replicate, "k")
        assert reached.wait(30)
        large.put("k", NEWER, ChecksumAlgorithm="CRC64NVME")
        assert large.resource("k") is None
        go_on.set()
        assert answer.result().status_code == 201
    assert large.visible("k") == NEWER
    assert left_over(large.storage) == []


# --- Time ------------------------------------------------------------------------------------------------------------


SMALL = Memory(32 * MIB)
SMALL_PARTS = 37
"""With so little memory a part has 2 MiB."""


@dataclass
class Topic:
    """A publisher that keeps what it is given."""

    messages: list[bytes] = field(default_factory=list)

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        self.messages.append(data)
        return "1"


@contextmanager
def slow(s3_url: str, publisher: Publisher | None = None) -> Iterator[Service]:
    """Two seconds for a request, in which each part takes half of one: they do not fit into one request."""
    with serving(s3_url, deadline_seconds=2, memory=SMALL, publisher=publisher) as service:
        service.put("k", DATA, ChecksumAlgorithm="CRC64NVME")
        service.storage.faults.add(Fault(Stall(seconds=0.5), path=A_PART, times=None))
        yield service


def test_a_copy_that_needs_several_requests_goes_on_where_the_last_one_stopped(s3_url):
    with slow(s3_url) as service:
        copied = [0]
        while (answer := service.replicate("k")).status_code == 503:
            assert answer.json()["reason"] == Reason.UNFINISHED
            assert answer.headers["Retry-After"]
            copied.append(answer.json()["copied"])
            assert copied[-2] <= copied[-1] <= SIZE  # no more when it was stopped in the middle of composing
        assert answer.status_code == 201
        assert len(copied) > 2
        assert service.visible("k") == DATA
        assert service.storage.requests.count(path=A_PART) == SMALL_PARTS
        assert left_over(service.storage) == []


def test_an_event_whose_copy_needs_several_requests_goes_on_in_fresh_messages(s3_url):
    topic = Topic()
    with slow(s3_url, topic) as service:
        pushed = 0
        message: object = eventbridge("k")
        while not service.visible("k"):
            assert service.push(push(message)).status_code == 204
            pushed += 1
            assert len(topic.messages) == pushed - (service.visible("k") is not None)
            message = json.loads(topic.messages[-1])
        assert pushed > 2
        assert service.visible("k") == DATA
        assert service.storage.requests.count(path=A_PART) == SMALL_PARTS
        assert left_over(service.storage) == []


# --- Processes --------------------------------------------------------------------------------------------------------


@contextmanager
def both_sides():
    with moto() as s3_url, cloud_storage(REPLICA) as storage, Proxy(s3_url) as proxy:
        s3 = s3_client(s3_url)
        s3.create_bucket(Bucket=SOURCE)
        s3.put_object(Bucket=SOURCE, Key="k", Body=DATA, ChecksumAlgorithm="CRC64NVME")
        yield storage, proxy
        s3.delete_object(Bucket=SOURCE, Key="k")
        s3.delete_bucket(Bucket=SOURCE)


def content(storage) -> bytes:
    return requests.get(f"{storage.url}/storage/v1/b/{REPLICA}/o/k?alt=media", timeout=60).content


def ranges(proxy: Proxy) -> int:
    """How many reads of the source's bytes there were."""
    return sum(head.startswith("GET ") and "/k" in head.split("\r\n")[0] for head in proxy.requested)


def test_a_process_that_is_killed_leaves_parts_and_the_next_one_reads_only_what_is_missing(tmp_path):
    reached, go_on = threading.Event(), threading.Event()
    with both_sides() as (storage, proxy), ThreadPoolExecutor(1) as pool:
        storage.faults.add(
            Fault(Stall(until=go_on, reached=reached, after_bytes=1000), path=A_PART, skip=6, times=None)
        )
        with gunicorn(tmp_path, proxy.url, storage.url) as service:
            delivery = pool.submit(requests.post, service.url, json=push(eventbridge("k")), timeout=60)
            assert reached.wait(30)
            while len(left_over(storage)) < 6:
                pass
            os.killpg(service.process_id, signal.SIGKILL)
            with pytest.raises(requests.ConnectionError):
                delivery.result(30)
        storage.faults.clear()
        go_on.set()
        assert requests.get(f"{storage.url}/storage/v1/b/{REPLICA}/o/k", timeout=60).status_code == 404
        kept = len(left_over(storage))
        assert kept >= 6
        proxy.requested.clear()
        with gunicorn(tmp_path, proxy.url, storage.url) as service:
            assert requests.post(service.url, json=push(eventbridge("k")), timeout=60).status_code == 204
        assert content(storage) == DATA
        assert left_over(storage) == []
        shown_and_looked = 1  # the first request of a process shows whether the object is small
        # No part that was there is read again. One whose bytes were on their way may have been stored after the count.
        assert ranges(proxy) <= PARTS - kept + shown_and_looked


def test_two_instances_at_once_write_once_and_leave_nothing(tmp_path):
    with both_sides() as (storage, proxy), ThreadPoolExecutor(2) as pool:
        with gunicorn(tmp_path, proxy.url, storage.url) as one, gunicorn(tmp_path, proxy.url, storage.url) as other:
            urls = [one.url, other.url]
            answers = list(pool.map(lambda url: requests.post(url, json=push(eventbridge("k")), timeout=60), urls))
        assert [answer.status_code for answer in answers] == [204, 204]
        assert content(storage) == DATA
        assert left_over(storage) == []
        made = [
            served
            for served in storage.requests
            if served.method == "POST" and served.path.endswith("/o/k/compose") and served.status == 200
        ]
        assert len(made) == 1
