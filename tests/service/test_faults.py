"""What breaks on the wire ends in right content or in a clean failure that the next delivery repairs."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from replicator.adapters import gcs_requests
from replicator.dev.cloud_storage import Answer, Fault, Garble, LoseAnswer, PersistAtMost, Reset, Stall
from replicator.reasons import Reason
from tests.proof.wire.faults import CutAnswer, flipped
from tests.service.conftest import SOURCE, Service
from tests.service.envelopes import eventbridge, push

LARGE = 9 * 1024**2 + 12345
UNIT = 256 * 1024
LAST_CHUNK = (LARGE - 1) // UNIT * UNIT
ANY_GET = "^GET .*/k "
PINNED_GET = rf"{ANY_GET}(?s:.*)\n(?i:if-match):"


@pytest.fixture
def large(service: Service) -> bytes:
    data = os.urandom(LARGE)
    service.put("k", data)
    return data


@pytest.mark.parametrize("point", [0, LARGE // 2, LARGE - 1], ids=["first", "middle", "last"])
@pytest.mark.parametrize("kind", ["truncated", "reset"])
def test_a_read_that_breaks_is_resumed_and_ends_with_the_right_content(faulty_source, kind, point):
    service, proxy = faulty_source
    data = os.urandom(LARGE)
    service.put("k", data)
    proxy.meet(CutAnswer(after=point, reset=kind == "reset"), PINNED_GET)
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == data
    assert not proxy.pending, "the fault did not happen"


@pytest.mark.parametrize(("size", "point"), [(1000, 0), (LARGE, 0)], ids=["whole", "stream"])
def test_a_source_that_always_breaks_never_becomes_visible_and_the_next_delivery_repairs_it(faulty_source, size, point):
    service, proxy = faulty_source
    data = os.urandom(size)
    service.put("k", data)
    proxy.meet(CutAnswer(after=point), ANY_GET, times=None)
    failed = service.push(push(eventbridge("k")))
    assert failed.status_code == 503
    assert failed.json()["reason"] in (Reason.SOURCE_TRUNCATED, Reason.SOURCE_UNAVAILABLE)
    assert service.resource("k") is None
    proxy.clear()
    assert service.push(push(eventbridge("k"))).status_code == 204
    assert service.visible("k") == data


def test_a_source_that_is_overwritten_while_it_is_copied_is_never_mixed(service, large):
    newer = os.urandom(LARGE)
    reached, go_on = threading.Event(), threading.Event()
    service.storage.faults.add(
        Fault(Stall(until=go_on, reached=reached, after_bytes=LARGE // 2), method="PUT", path="upload_id")
    )
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(service.replicate, "k")
        assert reached.wait(30)
        service.put("k", newer)
        assert service.resource("k") is None
        go_on.set()
        assert answer.result().status_code == 201
    assert service.visible("k") == newer


@pytest.mark.parametrize("point", [0, LARGE // 2, LAST_CHUNK - 1], ids=["first", "middle", "last"])
def test_an_upload_that_is_reset_goes_on_from_what_was_persisted(service, large, point):
    service.storage.faults.add(Fault(Reset(after_bytes=point), method="PUT", path="upload_id"))
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == large
    assert not service.storage.faults.pending


@pytest.mark.parametrize("kept", [0, UNIT, LARGE // 2, LAST_CHUNK - UNIT])
def test_an_upload_that_is_persisted_in_part_goes_on_from_there(service, large, kept):
    service.storage.faults.add(Fault(PersistAtMost(kept), method="PUT", path="upload_id"))
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == large
    assert not service.storage.faults.pending


FINISH = {"answer lost": LoseAnswer(), "reset": Reset(), "503": Answer(503), "429": Answer(429, retry_after=1)}


@pytest.mark.parametrize("action", FINISH)
def test_the_last_request_of_an_upload_is_cleared_up_and_writes_once(service, large, action):
    service.storage.faults.add(Fault(FINISH[action], method="PUT", path="upload_id", skip=1))
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == large
    assert not service.storage.faults.pending
    # A finished session answers with its object, and never makes another of it.
    assert service.resource("k")["metageneration"] == "1"
    assert service.push(push(eventbridge("k"))).status_code == 204
    assert service.storage.requests.count("POST", "uploadType=resumable") == 1


@pytest.mark.parametrize("action", [Answer(503), Answer(500), Answer(429), Reset(), LoseAnswer()], ids=repr)
def test_an_insert_that_fails_once_is_repeated_and_no_version_is_lost(service, action):
    service.put("k", b"hello")
    service.storage.faults.add(Fault(action, method="POST", path="uploadType=multipart"))
    assert service.replicate("k").status_code in (200, 201)
    assert service.visible("k") == b"hello"
    assert not service.storage.faults.pending


def test_a_garbled_answer_to_an_insert_is_a_clean_failure_or_a_right_object(service):
    service.put("k", b"hello")
    service.storage.faults.add(Fault(Garble(), method="POST", path="uploadType=multipart"))
    response = service.replicate("k")
    assert "<html>" not in response.text
    assert service.push(push(eventbridge("k"))).status_code == 204
    assert service.visible("k") == b"hello"


def test_a_destination_that_is_down_asks_for_redelivery_and_says_when(service, monkeypatch):
    monkeypatch.setattr(gcs_requests, "RETRY", gcs_requests.RETRY.with_timeout(0.2))
    service.put("k", b"hello")
    service.storage.stop()
    response = service.replicate("k")
    assert (response.status_code, response.json()["reason"]) == (503, "destination_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    service.storage.start()
    assert service.push(push(eventbridge("k"))).status_code == 204
    assert service.visible("k") == b"hello"


def test_a_flipped_bit_on_the_way_in_is_caught_before_the_object_is_visible(faulty_source):
    service, proxy = faulty_source
    data = os.urandom(100_000)
    service.put("k", data)
    proxy.meet(flipped(50_000), ANY_GET)
    assert service.replicate("k").status_code == 201
    assert service.visible("k") == data
    assert not proxy.pending
    assert service.s3.head_object(Bucket=SOURCE, Key="k")["ContentLength"] == len(data)
