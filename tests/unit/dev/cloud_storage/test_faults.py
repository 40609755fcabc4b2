"""Faults happen exactly when they are asked for, and leave exactly the state a real failure would."""

import http.client
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import urlsplit

import pytest
import requests

from replicator.dev.cloud_storage import (
    Answer,
    CloudStorageServer,
    Fault,
    Flip,
    Garble,
    LoseAnswer,
    PersistAtMost,
    Reset,
    Stall,
    UploadKind,
)
from tests.contract.cloud_storage_endpoint import QUANTUM, Endpoint, put

DATA = b"The quick brown fox"


@pytest.fixture
def server() -> Iterator[CloudStorageServer]:
    with CloudStorageServer(buckets=["bucket"]) as server:
        yield server


@pytest.fixture
def gcs(server: CloudStorageServer) -> Iterator[Endpoint]:
    endpoint = Endpoint(server.url, "bucket")
    yield endpoint
    endpoint.session.close()


def persisted(uri: str) -> int:
    stated = put(uri, b"", "bytes */*").headers.get("Range")
    return int(stated.removeprefix("bytes=0-")) + 1 if stated else 0


def test_an_answer_replaces_the_work(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Answer(503, retry_after=7)))
    refused = gcs.insert("a", os.urandom(3 * QUANTUM))
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "7")
    assert gcs.get("a").status_code == 404
    assert gcs.insert("a", DATA).status_code == 200


def test_a_fault_can_wait_and_repeat(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Answer(429), skip=1, times=2))
    assert [gcs.insert("a", DATA).status_code for _ in range(4)] == [200, 429, 429, 200]
    assert server.faults.pending == []


def test_a_fault_can_hit_every_second_request(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Answer(429), skip=1, every=2, times=2))
    assert [gcs.insert("a", DATA).status_code for _ in range(6)] == [200, 429, 200, 429, 200, 200]
    assert server.faults.pending == []
    assert server.faults.struck == 2


def test_a_fault_without_a_number_lasts_until_it_is_cleared(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Answer(500), times=None))
    assert {gcs.insert("a", DATA).status_code for _ in range(5)} == {500}
    assert len(server.faults.pending) == 1
    server.faults.clear()
    assert gcs.insert("a", DATA).status_code == 200


def test_a_fault_meets_only_the_requests_it_names(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Answer(503), method="GET", path=r"/o/wanted(\?|$)"))
    assert gcs.insert("wanted", DATA).status_code == 200
    assert gcs.insert("other", DATA).status_code == 200
    assert gcs.get("other").status_code == 200
    assert gcs.get("wanted").status_code == 503


@pytest.mark.parametrize("kind", UploadKind)
def test_every_part_of_an_upload_can_be_hit(server: CloudStorageServer, gcs: Endpoint, kind: UploadKind) -> None:
    server.faults.add(Fault(Answer(418), upload=kind))
    seen = {
        UploadKind.MEDIA: gcs.insert("a", DATA),
        UploadKind.MULTIPART: gcs.multipart("a", DATA),
        UploadKind.START: gcs.session.post(gcs.upload_url(), params={"uploadType": "resumable", "name": "a"}),
    }
    uri = gcs.start("a")
    seen[UploadKind.CHUNK] = put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*")
    seen[UploadKind.QUERY] = put(uri, b"", "bytes */*")
    seen[UploadKind.CANCEL] = requests.delete(uri, timeout=60)
    assert [name for name, response in seen.items() if response.status_code == 418] == [kind]


def test_a_reset_comes_before_any_work(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Reset(), upload=UploadKind.MEDIA))
    with pytest.raises(requests.ConnectionError):
        gcs.insert("a", DATA)
    assert gcs.get("a").status_code == 404


def test_a_reset_hits_requests_without_a_body_too(server: CloudStorageServer, gcs: Endpoint) -> None:
    gcs.insert("a", DATA)
    server.faults.add(Fault(Reset(after_bytes=100), method="DELETE"))
    with pytest.raises(requests.ConnectionError):
        gcs.delete("a")
    assert gcs.get("a").status_code == 200


@pytest.mark.parametrize(
    ("after", "kept"),
    [(1, 0), (QUANTUM - 1, 0), (QUANTUM, 1), (2 * QUANTUM + 5, 2), (17 * QUANTUM + 5, 17), (10**9, 20)],
)
def test_a_reset_inside_a_chunk_keeps_whole_quanta(
    server: CloudStorageServer, gcs: Endpoint, after: int, kept: int
) -> None:
    data = os.urandom(20 * QUANTUM + 99)
    uri = gcs.start("a")
    server.faults.add(Fault(Reset(after_bytes=after), upload=UploadKind.CHUNK))
    with pytest.raises(requests.ConnectionError):
        put(uri, data)
    assert persisted(uri) == kept * QUANTUM
    assert gcs.get("a").status_code == 404
    rest = put(uri, data[kept * QUANTUM :], f"bytes {kept * QUANTUM}-{len(data) - 1}/{len(data)}")
    assert rest.status_code == 200
    assert gcs.media("a").content == data


@pytest.mark.parametrize("after", [1, len(DATA), 1000])
def test_a_reset_inside_a_small_upload_makes_nothing(server: CloudStorageServer, gcs: Endpoint, after: int) -> None:
    server.faults.add(Fault(Reset(after_bytes=after), times=2, upload=None, method="POST"))
    with pytest.raises(requests.ConnectionError):
        gcs.insert("a", DATA)
    with pytest.raises(requests.ConnectionError):
        gcs.multipart("a", DATA)
    assert gcs.get("a").status_code == 404


def test_a_connection_that_ends_inside_a_chunk_keeps_whole_quanta(gcs: Endpoint) -> None:
    uri = urlsplit(gcs.start("a"))
    connection = http.client.HTTPConnection(uri.netloc)
    connection.putrequest("PUT", f"{uri.path}?{uri.query}")
    connection.putheader("Content-Length", str(9 * QUANTUM))
    connection.endheaders(bytes(2 * QUANTUM + 1000))
    connection.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(ConnectionResetError):
        connection.sock.recv(1)
    connection.close()
    assert persisted(uri.geturl()) == 2 * QUANTUM
    assert gcs.get("a").status_code == 404


def test_other_requests_are_served_while_one_stalls(server: CloudStorageServer, gcs: Endpoint) -> None:
    reached, go_on = Event(), Event()
    server.faults.add(Fault(Stall(until=go_on, reached=reached, after_bytes=5), upload=UploadKind.MEDIA))
    with ThreadPoolExecutor() as pool:
        stalled = pool.submit(gcs.insert, "a", DATA, ifGenerationMatch=0)
        assert reached.wait(30)
        assert gcs.get("a").status_code == 404
        assert gcs.insert("a", b"meanwhile").status_code == 200
        go_on.set()
        assert stalled.result(30).status_code == 412
    assert gcs.media("a").content == b"meanwhile"


def test_a_stall_can_have_an_end_of_its_own(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Stall(seconds=0.001)))
    assert gcs.insert("a", DATA).status_code == 200


def test_a_session_belongs_to_the_newest_request(server: CloudStorageServer, gcs: Endpoint) -> None:
    data = os.urandom(40 * QUANTUM)
    uri = gcs.start("a")
    reached, go_on = Event(), Event()
    stall = Stall(until=go_on, reached=reached, after_bytes=20 * QUANTUM)
    server.faults.add(Fault(stall, upload=UploadKind.CHUNK))
    with ThreadPoolExecutor() as pool:
        stalled = pool.submit(put, uri, bytes(len(data)))
        assert reached.wait(30)
        kept = persisted(uri)
        assert 0 < kept < len(data)
        # The stalled request brought zeros; the object ends with what the new one brings.
        done = put(uri, data[kept:], f"bytes {kept}-{len(data) - 1}/{len(data)}")
        assert done.status_code == 200
        go_on.set()
        with pytest.raises(requests.ConnectionError):
            stalled.result(30)
    assert gcs.media("a").content == bytes(kept) + data[kept:]


@pytest.mark.parametrize(("count", "kept"), [(0, 0), (QUANTUM - 1, 0), (2 * QUANTUM + 5, 2), (17 * QUANTUM, 17)])
@pytest.mark.parametrize("total", ["*", "known"])
def test_a_chunk_can_be_persisted_in_part(
    server: CloudStorageServer, gcs: Endpoint, count: int, kept: int, total: str
) -> None:
    data = os.urandom(20 * QUANTUM)
    uri = gcs.start("a")
    server.faults.add(Fault(PersistAtMost(count), upload=UploadKind.CHUNK))
    everything = f"bytes 0-{len(data) - 1}/{len(data) if total == 'known' else '*'}"
    partial = put(uri, data, everything)
    assert partial.status_code == 308
    assert partial.headers.get("Range") == (f"bytes=0-{kept * QUANTUM - 1}" if kept else None)
    assert gcs.get("a").status_code == 404
    rest = put(uri, data[kept * QUANTUM :], f"bytes {kept * QUANTUM}-{len(data) - 1}/{len(data)}")
    assert rest.status_code == 200
    assert gcs.media("a").content == data


def test_a_lost_answer_leaves_the_work_done(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(LoseAnswer()))
    with pytest.raises(requests.ConnectionError):
        gcs.insert("a", DATA, ifGenerationMatch=0)
    assert gcs.media("a").content == DATA
    assert gcs.insert("a", DATA, ifGenerationMatch=0).status_code == 412


def test_a_lost_answer_of_the_last_chunk_is_told_by_a_query(server: CloudStorageServer, gcs: Endpoint) -> None:
    uri = gcs.start("a")
    server.faults.add(Fault(LoseAnswer(), upload=UploadKind.CHUNK))
    with pytest.raises(requests.ConnectionError):
        put(uri, DATA)
    assert put(uri, b"", f"bytes */{len(DATA)}").json()["size"] == str(len(DATA))


def test_an_answer_can_be_garbled(server: CloudStorageServer, gcs: Endpoint) -> None:
    server.faults.add(Fault(Garble(b"<html>")))
    response = gcs.insert("a", DATA)
    assert (response.status_code, response.content) == (200, b"<html>")
    assert gcs.media("a").content == DATA


def test_the_log_tells_what_was_served_and_what_was_not(server: CloudStorageServer, gcs: Endpoint) -> None:
    gcs.insert("a", DATA)
    gcs.get("b", fields="name")
    server.faults.add(Fault(Reset()))
    with pytest.raises(requests.ConnectionError):
        gcs.get("a")
    served = [(request.method, request.path, request.query, request.status) for request in server.requests]
    assert served == [
        ("POST", "/upload/storage/v1/b/bucket/o", "uploadType=media&name=a", 200),
        ("GET", "/storage/v1/b/bucket/o/b", "fields=name", 404),
        ("GET", "/storage/v1/b/bucket/o/a", "", None),
    ]
    assert (server.requests.count("GET"), server.requests.count(path=r"/o/a$|/o/a\?")) == (2, 1)
    server.requests.clear()
    assert len(server.requests) == 0


@pytest.mark.parametrize("byte", [0, 3 * QUANTUM + 7, 5 * QUANTUM - 1, None])
def test_a_bit_can_be_flipped_on_its_way_in(server: CloudStorageServer, gcs: Endpoint, byte: int | None) -> None:
    data = os.urandom(5 * QUANTUM)
    server.faults.add(Fault(Flip(byte), upload=UploadKind.MEDIA))
    gcs.insert("a", data)
    at = len(data) // 2 if byte is None else byte
    assert gcs.media("a").content == data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    assert gcs.insert("b", data).status_code == 200
    assert gcs.media("b").content == data


def test_every_request_that_makes_or_removes_parts_can_be_hit(server: CloudStorageServer, gcs: Endpoint) -> None:
    generation = gcs.insert("part", DATA).json()["generation"]
    for fault in (
        Fault(Answer(418), method="POST", path="/compose"),
        Fault(Answer(418), method="GET", path=r"/o\?"),
        Fault(Answer(418), method="DELETE", path="generation="),
        Fault(Answer(418), upload=UploadKind.MEDIA, path="name=part", skip=1),
    ):
        server.faults.add(fault)
    statuses = [
        gcs.compose("whole", [{"name": "part"}]).status_code,
        gcs.session.get(f"{gcs.url}/storage/v1/b/bucket/o", params={"prefix": "p"}).status_code,
        gcs.delete("part", generation=generation).status_code,
        *(gcs.insert(name, DATA).status_code for name in ("part", "other", "part")),
    ]
    assert statuses == [418, 418, 418, 200, 200, 418]
