"""What is hardly HTTP any more, against the real processes of both targets, as the container starts them."""

import concurrent.futures
import json
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from replicator.web.requests import MAX_BODY_BYTES, SECRET_HEADER
from replicator.web.worker import PATIENCE_SECONDS
from tests.proof.hostile.bodies import COSTLIEST, at_the_limit
from tests.proof.hostile.echo_s3 import echo_s3
from tests.proof.hostile.fuzzing import Tally
from tests.proof.hostile.promises import require_answer, require_line, require_rules_kept, require_source_kept
from tests.proof.hostile.wire import HARMLESS, MARK, REFUSED, exchange
from tests.servers import AWS, cloud_storage
from tests.service.conftest import REPLICA, SOURCE
from tests.service.observed import REPLICATE, Observed, observed

SECRET = "the-secret-of-hostile-input"
SECONDS = 30.0
GROWTH = 512 * 1024**2
"""Bytes of memory that `AT_ONCE` of the most costly bodies may take together, with what is not collected yet."""

AT_ONCE = 8
TALLY = Tally(time.perf_counter)
GREW: dict[str, str] = {}


@pytest.fixture
def tally(proof):
    TALLY.long = proof.long
    return TALLY


@pytest.fixture(scope="module", params=["replicate", "ingest"])
def target(request):
    return request.param


@pytest.fixture(scope="module")
def service(target, tmp_path_factory):
    """A target; at the end its lines and what reached both sides are looked at."""
    ingest = {"INGEST_SECRETS": SECRET, "PUBSUB_TOPIC": "projects/p/topics/t", "PUBSUB_EMULATOR_HOST": "127.0.0.1:1"}
    with echo_s3() as s3, cloud_storage(REPLICA) as storage:
        sides = {"AWS_ENDPOINT_URL_S3": s3.url, "STORAGE_EMULATOR_HOST": storage.url}
        own = {**REPLICATE, **AWS, **sides} if target == "replicate" else {**ingest, "GOOGLE_CLOUD_PROJECT": "p"}
        with observed(tmp_path_factory.mktemp(target), target, **own) as running:
            yield running
        require_source_kept(s3.targets, SOURCE)
        assert require_rules_kept(storage.requests, REPLICA) == 0
        asked = [f"{request.path}?{request.query}" for request in storage.requests]
        assert not any("%EF%BF%BD" in target for target in asked), "what is not UTF-8 is no other key"
    assert running.lines
    for line in running.lines:
        assert MARK not in line
        require_line(json.loads(line))


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_refused_as_a_problem_and_not_repeated(tally, service: Observed, target, name):
    answer = tally.timed(f"POST {target}", "refused HTTP", lambda: exchange(service.url, REFUSED[name]))
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    require_answer(answer.status, answer.headers["content-type"], answer.body)
    assert MARK not in answer.body.decode() + str(answer.headers)
    assert "x-injected" not in answer.headers
    assert tally.rows[f"POST {target}", "refused HTTP"].longest < SECONDS


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_odd_but_clear_is_answered(tally, service: Observed, target, name):
    answer = tally.timed(f"POST {target}", "odd HTTP", lambda: exchange(service.url, HARMLESS[name]))
    assert (answer.status, answer.document) == (200, {"status": "ok"})
    assert MARK not in str(answer.headers)


def test_many_costly_bodies_at_once_take_bounded_memory_and_hide_no_answer(tally, service: Observed, target):
    path = "/" if target == "replicate" else "/v1/events"
    bodies = [
        body for kind, body in at_the_limit(SOURCE) if len(body) <= MAX_BODY_BYTES and (tally.long or kind in COSTLIEST)
    ]
    if target == "ingest":  # what is JSON would be published; nobody is there to take it
        bodies = [body for body in bodies if not is_json(body)]
    before = peak_memory(service)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for answer in pool.map(lambda body: sent(tally, service.url, path, target, body), bodies * 2):
            require_answer(answer.status, answer.headers.get("content-type", ""), answer.body)
    if before is None:
        pytest.skip("the memory of another process is told by Linux only")
    grown = peak_memory(service) - before
    GREW[target] = f"{grown / 1024**2:.0f} MiB"
    assert grown < GROWTH


def sent(tally: Tally, url: str, path: str, target: str, body: bytes):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{SECRET_HEADER}: {SECRET}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    return tally.timed(f"POST {target}", f"bodies at the limit, {AT_ONCE} at once", lambda: exchange(url, request))


def is_json(body: bytes) -> bool:
    try:
        json.loads(body, parse_int=float)
    except (ValueError, RecursionError):
        return False
    return True


def peak_memory(service: Observed) -> int | None:
    """Of the one worker, in bytes."""
    try:
        tasks = Path(f"/proc/{service.service.process_id}/task/{service.service.process_id}/children")
        [worker] = tasks.read_text().split()
        [line] = [one for one in Path(f"/proc/{worker}/status").read_text().splitlines() if one.startswith("VmHWM:")]
    except OSError:
        return None
    return int(line.split()[1]) * 1024


STALLED = {
    "a body that does not come": b"Content-Length: 1000\r\n\r\n{",
    "a length of 400 digits": b"Content-Length: " + b"9" * 400 + b"\r\n\r\n{",
    "a chunk that does not come": b"Transfer-Encoding: chunked\r\n\r\nffff\r\n{",
    "headers that do not end": b"X: ",
}


def test_a_peer_that_stalls_holds_a_thread_only_for_so_long(tally, service: Observed, target):
    """All at once, and one more that sends a byte at a time. The short form does not wait for the end."""
    path = "/v1/replicate" if target == "replicate" else "/v1/events"
    address, head = urlsplit(service.url), f"POST {path} HTTP/1.1\r\nHost: x\r\n{SECRET_HEADER}: {SECRET}\r\n".encode()
    peers = []
    for request in [*STALLED.values(), STALLED["a body that does not come"]]:
        peers.append(socket.create_connection((address.hostname, address.port), timeout=60))
        peers[-1].sendall(head + request)
    dripping = peers[-1]
    try:
        assert exchange(service.url, HARMLESS["HTTP 1.0"]).status == 200, "others are served meanwhile"
        if not tally.long:
            return
        started = time.monotonic()
        dripping.settimeout(0.25)
        while time.monotonic() - started < 3 * PATIENCE_SECONDS:
            try:
                dripping.sendall(b" ")
                if dripping.recv(65536):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        assert time.monotonic() - started < 2 * PATIENCE_SECONDS
        for peer, name in zip(peers, STALLED, strict=False):
            answered = b"".join(iter(lambda peer=peer: peer.recv(65536), b""))
            assert answered == b"" or 400 <= int(answered.split()[1]) < 500, name
        assert time.monotonic() - started < 2 * PATIENCE_SECONDS
    finally:
        for peer in peers:
            peer.close()


def test_what_was_tried_is_reported(tally, proof):
    assert tally.rows
    grew = ", ".join(f"`{target}` {grown}" for target, grown in GREW.items())
    text = tally.report().replace("`POST ", "`")
    proof.report("hostile-http", f"{text}\n\nMemory that {AT_ONCE} bodies at once added to the process: {grew}.")
