"""Every door of both targets, on the real adapters: whatever comes in, the promises of docs/reliability.md hold."""

import gc
import gzip
import logging
import tracemalloc
from functools import partial

import pytest
import requests
import schemathesis
from hypothesis import assume
from hypothesis import strategies as st
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.model import MAX_KEY_BYTES
from replicator.web.ingest import IngestDoors
from replicator.web.openapi import describe
from replicator.web.openapi_doors import INGEST, REPLICATE
from replicator.web.requests import MAX_BODY_BYTES, SECRET_HEADER
from tests.proof.hostile.bodies import COSTLIEST, at_the_limit, malformed, misleading, sampled
from tests.proof.hostile.echo_s3 import content, echo_s3, target
from tests.proof.hostile.envelopes import damaged, enveloped
from tests.proof.hostile.fuzzing import Tally
from tests.proof.hostile.keys import EDGES, IMPOSSIBLE, REFUSED, any_key, replicable_key
from tests.proof.hostile.promises import (
    EXCEPTION_TEXT,
    Lines,
    require_answer,
    require_line,
    require_rules_kept,
    require_source_kept,
)
from tests.proof.hostile.values import VALUES, encoded
from tests.servers import listening
from tests.service.conftest import REPLICA, SOURCE, serving
from tests.service.test_openapi import CONFIG
from tests.unit.web import doors as unit
from tests.unit.web.doors import FakePublisher

SECRET = "the-secret-of-hostile-input"
POSTS = ("/", "/v1/replicate", "/v1/replicate:batch")
SECONDS, PEAK = 5.0, 64 * MAX_BODY_BYTES
"""For one body of at most `MAX_BODY_BYTES`: seconds of CPU, and bytes of memory. Python's objects for the JSON that is
worst take 42 times its size, and nothing may come on top of that."""

TALLY = Tally()


@pytest.fixture
def tally(proof):
    TALLY.long = proof.long
    return TALLY


@pytest.fixture(scope="module")
def s3():
    with echo_s3() as server:
        yield server


@pytest.fixture(scope="module")
def service(s3):
    with serving(s3.url) as running:
        yield running


@pytest.fixture(scope="module")
def publisher():
    return FakePublisher()


@pytest.fixture(scope="module")
def ingest_url(publisher):
    with listening(IngestDoors(lambda: publisher, [SECRET])) as url:
        yield url


@pytest.fixture(autouse=True)
def lines(s3, service):
    """What is logged. After each test: what reached either side is for the rules' buckets, and every line is clean."""
    handler, logger = Lines(), logging.getLogger("replicator")
    logger.addHandler(handler)
    before = logger.level
    logger.setLevel(logging.INFO)
    yield handler.fields
    logger.setLevel(before)
    logger.removeHandler(handler)
    require_source_kept(s3.targets, SOURCE)
    require_rules_kept(service.storage.requests, REPLICA)
    for fields in handler.fields:
        require_line(fields)
    s3.targets.clear()
    service.storage.requests.clear()


def send(tally: Tally, kind: str, url: str, path: str, body: bytes, **headers: str) -> requests.Response:
    answer = tally.timed(
        f"POST {path}", kind, lambda: requests.post(url + path, data=body, headers=headers, timeout=60)
    )
    require_answer(answer.status_code, answer.headers.get("Content-Type", ""), answer.content)
    assert tally.rows[f"POST {path}", kind].longest < SECONDS
    return answer


# --- Bodies -----------------------------------------------------------------------------------------------------------


def test_what_is_no_event_is_never_acknowledged(tally, service):
    for kind, body in sampled(malformed(SOURCE), None if tally.long else 25):
        for path in POSTS:
            answer = send(tally, kind, service.url, path, body)
            if path != "/v1/replicate:batch" or answer.status_code != 200:
                assert answer.status_code in (400, 413), (path, body[:200])
    assert require_rules_kept(service.storage.requests, REPLICA) == 0


def test_what_points_elsewhere_leads_nowhere(tally, service, lines):
    for kind, body in sampled(misleading(SOURCE), None if tally.long else 40):
        for path in POSTS:
            before = len(lines)
            answer = send(tally, kind, service.url, path, body)
            if answer.status_code == 204:
                assert lines[before:], "what is acknowledged is accounted for"


def test_a_content_coding_is_not_undone(tally, service):
    bomb = gzip.compress(b" " * 200_000_000, 9)
    for path in POSTS:
        answer = send(tally, "compressed", service.url, path, bomb, **{"Content-Encoding": "gzip"})
        assert answer.status_code == 400


def test_the_ingest_takes_any_json_with_the_secret_and_nothing_without(tally, ingest_url, publisher):
    for kind, body in sampled([*malformed(SOURCE), *misleading(SOURCE)], None if tally.long else 25):
        publisher.published.clear()
        assert send(tally, kind, ingest_url, "/v1/events", body).status_code == 403
        assert publisher.published == []
        answer = send(tally, kind, ingest_url, "/v1/events", body, **{SECRET_HEADER: SECRET})
        if answer.status_code == 204:
            [(published, attributes)] = publisher.published
            assert published == body
            assert all(0 <= len(value.encode()) <= 1024 for value in attributes.values())
        else:
            assert (answer.status_code, publisher.published) == (413 if len(body) > MAX_BODY_BYTES else 400, [])


@pytest.fixture
def lean_process():
    """What else this process holds is out of the garbage collector's sight, as it is not there in a service."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("lean_process")
@pytest.mark.parametrize("path", [*POSTS, "/v1/events"])
def test_no_body_costs_more_time_or_memory_than_its_bound(tally, path):
    """Without sockets, so that only the service's memory counts."""
    doors = IngestDoors(FakePublisher, [SECRET]) if path == "/v1/events" else unit.Service().doors
    client = Client(Request.application(doors))
    peaks = [0]

    def post(body: bytes):
        return client.post(path, data=body, headers={SECRET_HEADER: SECRET})

    for kind, body in at_the_limit("source"):
        if not tally.long and kind not in COSTLIEST:
            continue
        answer = tally.timed(f"POST {path}", "at the limit", partial(post, body))
        require_answer(answer.status_code, answer.headers.get("Content-Type", ""), answer.data)
        assert (answer.status_code == 413) == (len(body) > MAX_BODY_BYTES), kind
        tracemalloc.start()
        try:
            post(body)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert peaks[-1] < PEAK, kind
    assert tally.rows[f"POST {path}", "at the limit"].longest < SECONDS
    LARGEST[path] = max(peaks)


LARGEST: dict[str, int] = {}


def test_a_body_in_chunks_is_bounded_as_well(tally, service):
    def pieces(count: int):
        yield from (b"[" * 65536 for _ in range(count))

    for path in POSTS:
        for count, status in ((16, 400), (17, 413), (200, 413)):
            answer = tally.timed(
                f"POST {path}",
                "chunks without a length",
                lambda path=path, count=count: requests.post(service.url + path, data=pieces(count), timeout=60),
            )
            assert answer.status_code == status
            require_answer(answer.status_code, answer.headers["Content-Type"], answer.content)


# --- Keys -------------------------------------------------------------------------------------------------------------


def follow(tally: Tally, service, s3, kind: str, path: str, body: bytes, key: str) -> None:
    """What is at the destination under `key` are the bytes that the source has under it; nothing else was touched."""
    s3.targets.clear()
    service.storage.requests.clear()
    answer = send(tally, kind, service.url, path, body)
    assert answer.status_code in (200, 201, 204), answer.text
    assert set(s3.targets) == {target(SOURCE, key)}
    assert service.visible(key) == content(key)


def test_any_key_arrives_as_itself_by_every_way(tally, service, s3):
    def by_event(whole) -> None:
        follow(tally, service, s3, "any key", "/", whole.encoded(), whole.key)

    def by_call(key: str) -> None:
        call = {"bucket": SOURCE, "key": key}
        follow(tally, service, s3, "any key", "/v1/replicate", encoded(call), key)
        follow(tally, service, s3, "any key", "/v1/replicate:batch", encoded({"items": [call]}), key)
        asked = {"bucket": REPLICA, "key": key}
        answer = requests.get(f"{service.url}/v1/object", params=asked, timeout=60)
        assert answer.json()["destination"] == f"gs://{REPLICA}/{key}"
        assert answer.json()["in_sync"] is True

    tally.fuzz(enveloped(replicable_key, SOURCE, most=2), by_event, 30, 600)
    tally.fuzz(replicable_key, by_call, 10, 300)
    for key in EDGES:
        by_call(key)


def test_no_key_that_is_refused_is_read_or_written(tally, service, s3):
    def refused(key: str) -> None:
        before = len(service.storage.requests), len(s3.targets)
        answer = send(tally, "refused keys", service.url, "/v1/replicate", encoded({"bucket": SOURCE, "key": key}))
        assert answer.status_code == (422 if 1 <= len(key) <= MAX_KEY_BYTES else 400)
        for method in ("GET", "DELETE"):
            asked = {"bucket": REPLICA, "key": key}
            answer = requests.request(method, f"{service.url}/v1/object", params=asked, timeout=60)
            require_answer(answer.status_code, answer.headers["Content-Type"], answer.content)
            assert answer.status_code == (422 if key else 400)
        assert (len(service.storage.requests), len(s3.targets)) == before

    for key in [*REFUSED, *IMPOSSIBLE]:
        refused(key)


# --- What is drawn ----------------------------------------------------------------------------------------------------


def test_damaged_envelopes_are_followed_or_refused(tally, service, ingest_url, lines):
    def check(document: object) -> None:
        body = encoded(document)
        before = len(lines)
        if send(tally, "damaged envelopes", service.url, "/", body).status_code == 204:
            assert lines[before:], "what is acknowledged is accounted for"
        send(tally, "damaged envelopes", service.url, "/v1/replicate", body)
        send(tally, "damaged envelopes", ingest_url, "/v1/events", body, **{SECRET_HEADER: SECRET})

    tally.fuzz(damaged(enveloped(any_key, SOURCE)), check, 60, 1000)


def operations(service) -> list:
    schema = schemathesis.openapi.from_dict(
        describe(service), config=schemathesis.config.SchemathesisConfig.from_dict(CONFIG)
    )
    return [result.ok() for result in schema.get_all_operations()]


OPERATIONS = [(target, operation) for target in (REPLICATE, INGEST) for operation in operations(target)]
texts = st.sampled_from([value for value in VALUES if isinstance(value, str) and len(value) < 4000])
SENDABLE = {ord(character): None for character in map(chr, [*range(32), 127])}


@pytest.mark.parametrize(
    ("target_", "operation"), OPERATIONS, ids=[f"{operation.label}" for _, operation in OPERATIONS]
)
def test_every_operation_withstands_what_its_description_allows_and_hostile_values_in_it(
    tally, service, ingest_url, target_, operation
):
    """`tests/service/test_openapi.py` checks the answers to what is drawn; here some of it is exchanged."""
    url = ingest_url if target_ is INGEST else service.url
    kinds = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
    drawn = st.one_of(*(operation.as_strategy(generation_mode=kind) for kind in kinds))

    def check(example: tuple) -> None:
        case, exchanged, value, place = example
        assume(not any(EXCEPTION_TEXT.search(repr(part)) for part in drawn_parts(case).values()))
        if exchanged:
            exchange(case, place, value)
        if target_ is INGEST and operation.method == "post":
            case.headers = {**(case.headers or {}), SECRET_HEADER: SECRET}
        answer = tally.timed(operation.label, "by the description", lambda: case.call(base_url=url))
        content_type = answer.headers.get("content-type", [""])[0]
        if answer.status_code < 400:
            assert answer.status_code in (200, 201, 204)
        else:
            require_answer(answer.status_code, content_type, answer.content)

    example = st.tuples(drawn, st.booleans(), texts, st.integers(0, 7))
    tally.fuzz(example, check, 10, 100)


def exchange(case, place: int, value: str) -> None:
    """Puts `value` in place of one of the parameters or fields, or into a header that we read."""
    parts = drawn_parts(case)
    if not parts or place == 0:
        sendable = value.translate(SENDABLE).encode(errors="ignore").decode("latin-1").strip()
        case.headers = {**(case.headers or {}), "traceparent": sendable, "X-Cloud-Trace-Context": sendable}
        return
    part = list(parts)[place % len(parts)]
    fields = dict(parts[part])  # what is drawn may be an example out of the description: that one stays as it is
    sent = value.encode(errors="ignore").decode() or "x"  # the URL of a request has no lone surrogates
    fields[list(fields)[place % len(fields)]] = value if part == "body" else sent
    setattr(case, part, fields)


def drawn_parts(case) -> dict[str, dict]:
    parts = {name: getattr(case, name) for name in ("path_parameters", "query", "body")}
    return {name: part for name, part in parts.items() if isinstance(part, dict) and part}


def test_what_was_tried_is_reported(tally, proof):
    assert tally.rows
    peaks = ", ".join(f"`{path}` {peak / 1024**2:.0f} MiB" for path, peak in LARGEST.items())
    proof.report("hostile", f"{tally.report()}\n\nMost memory for one body, of at most 1 MiB: {peaks}.")
