"""The embedded server's own promises: its life, its speed switch, and the strictness it adds to the contract."""

import base64
import hashlib
import http.client
import socket
from urllib.parse import urlsplit

import pytest
import requests

from replicator.dev.cloud_storage import CloudStorageServer, Fault, Stall
from replicator.dev.cloud_storage.messages import ApiError
from tests.contract.cloud_storage_endpoint import QUANTUM, Endpoint, put

DATA = b"The quick brown fox"
MD5 = base64.b64encode(hashlib.md5(DATA, usedforsecurity=False).digest()).decode()


def connect(server: CloudStorageServer) -> Endpoint:
    return Endpoint(server.url, "bucket")


def test_the_url_is_known_after_the_start() -> None:
    server = CloudStorageServer()
    with pytest.raises(RuntimeError, match="not started"):
        _ = server.url
    with server:
        assert server.url.startswith("http://127.0.0.1:")
    server.stop()


def test_a_restart_keeps_the_objects_and_the_address() -> None:
    server = CloudStorageServer(buckets=["bucket"])
    with server:
        url, gcs = server.url, connect(server)
        gcs.insert("a", DATA)
    with pytest.raises(requests.ConnectionError):
        gcs.get("a")
    with server:
        assert server.url == url
        assert gcs.media("a").content == DATA
        gcs.session.close()


def test_stopping_ends_what_is_under_way() -> None:
    server = CloudStorageServer(buckets=["bucket"]).start()
    server.faults.add(Fault(Stall(seconds=3600), method="PUT"))
    gcs = connect(server)
    uri = urlsplit(gcs.start("a"))
    connection = http.client.HTTPConnection(uri.netloc)
    connection.request("PUT", f"{uri.path}?{uri.query}", headers={"Content-Length": "100"})
    server.stop()
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        connection.getresponse()
    connection.close()
    gcs.session.close()


def test_buckets_can_be_made_without_a_request() -> None:
    with CloudStorageServer() as server:
        server.create_bucket("bucket", location="EU", versioning={"enabled": True})
        found = requests.get(f"{server.url}/storage/v1/b/bucket", timeout=60).json()
        assert (found["location"], found["versioning"]) == ("EU", {"enabled": True})
        with pytest.raises(ApiError, match="exists"):
            server.create_bucket("bucket")
        with pytest.raises(ApiError, match="name"):
            server.create_bucket("../bucket")


def test_a_refused_upload_leaves_the_connection_usable() -> None:
    with CloudStorageServer(buckets=["bucket"]) as server:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
        connection.request("POST", "/upload/storage/v1/b/missing/o?uploadType=media&name=a", bytes(QUANTUM))
        refused = connection.getresponse()
        refused.read()
        assert (refused.status, refused.will_close) == (404, False)
        connection.request("GET", "/storage/v1/b/bucket")
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/storage/v1/b/bucket/o/a/b", 404),
        ("PATCH", "/storage/v1/b", 405),
        ("DELETE", "/upload/storage/v1/b/bucket/o?uploadType=media&name=a", 405),
        ("POST", "/upload/storage/v1/b/bucket/o?name=a", 400),
        ("GET", "/storage/v1/b/bucket/o/%FF", 400),
        ("GET", "/storage/v1/b/bucket/o?maxResults=0", 400),
        ("GET", "/storage/v1/b/bucket/o?pageToken=%F0", 400),
    ],
)
def test_what_does_not_exist_is_refused(method: str, path: str, status: int) -> None:
    with CloudStorageServer(buckets=["bucket"]) as server:
        assert requests.request(method, server.url + path, timeout=60).status_code == status


def test_links_lead_back_the_way_the_client_came() -> None:
    with CloudStorageServer(buckets=["bucket"]) as server:
        url = f"{server.url}/upload/storage/v1/b/bucket/o?uploadType=resumable&name=a"
        started = requests.post(url, headers={"Host": "proxy.example:8080"}, timeout=60)
        assert started.headers["Location"].startswith("http://proxy.example:8080/upload/storage/v1/b/bucket/o?")


class TestWithoutMd5:
    def test_objects_have_a_crc32c_only(self) -> None:
        with CloudStorageServer(buckets=["bucket"], report_md5=False) as server:
            gcs = connect(server)
            assert "md5Hash" not in gcs.insert("a", DATA).json()
            assert "md5" not in gcs.media("a").headers["X-Goog-Hash"]
            gcs.session.close()

    def test_an_md5_is_verified_all_the_same_when_it_is_stated_in_time(self) -> None:
        with CloudStorageServer(buckets=["bucket"], report_md5=False) as server:
            gcs = connect(server)
            assert gcs.insert("a", DATA, {"X-Goog-Hash": f"md5={MD5}"}).status_code == 200
            assert gcs.insert("b", DATA[1:], {"X-Goog-Hash": f"md5={MD5}"}).status_code == 400
            # Too late: the bytes have gone by. It says so, and does not pretend.
            assert put(gcs.start("c"), DATA, X_Goog_Hash=f"md5={MD5}").status_code == 501
            assert gcs.get("c").status_code == 404
            gcs.session.close()


class TestStrictSessions:
    def test_a_gap_is_answered_as_the_service_does(self) -> None:
        with CloudStorageServer(buckets=["bucket"]) as server:
            gcs = connect(server)
            gap = put(gcs.start("a"), DATA, f"bytes 4-{3 + len(DATA)}/100")
            assert (gap.status_code, gap.headers["Content-Type"]) == (503, "text/plain; charset=utf-8")
            gcs.session.close()

    def test_a_small_chunk_in_the_middle_is_refused(self) -> None:
        with CloudStorageServer(buckets=["bucket"]) as server:
            gcs = connect(server)
            assert put(gcs.start("a"), DATA, f"bytes 0-{len(DATA) - 1}/100").status_code == 400
            gcs.session.close()

    def test_the_declared_length_is_binding(self) -> None:
        with CloudStorageServer(buckets=["bucket"]) as server:
            gcs = connect(server)
            uri = gcs.start("a", headers={"X-Upload-Content-Length": str(len(DATA) + 1)})
            assert put(uri, DATA).status_code == 400
            assert put(uri, DATA + b"!").status_code == 200
            uri = gcs.start("b")
            put(uri, bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/{2 * QUANTUM}")
            other = put(uri, bytes(QUANTUM), f"bytes {QUANTUM}-{2 * QUANTUM - 1}/{3 * QUANTUM}")
            assert other.status_code == 400
            assert put(uri, b"", f"bytes */{QUANTUM}").status_code == 400
            assert gcs.get("b").status_code == 404
            gcs.session.close()

    def test_a_session_that_failed_is_gone(self) -> None:
        with CloudStorageServer(buckets=["bucket"]) as server:
            gcs = connect(server)
            stale = gcs.start("a", ifGenerationMatch=1)
            wrong = gcs.start("a", {"crc32c": "AAAAAA=="})
            assert (put(stale, DATA).status_code, put(wrong, DATA).status_code) == (412, 400)
            assert {put(uri, b"", "bytes */*").status_code for uri in (stale, wrong)} == {404}
            gcs.session.close()

    def test_chunks_of_unknown_length_end_the_upload_when_they_say_so(self) -> None:
        with CloudStorageServer(buckets=["bucket"]) as server:
            gcs = connect(server)
            done = requests.put(
                gcs.start("a"), data=iter([DATA, DATA]), headers={"Content-Range": "bytes 0-*/*"}, timeout=60
            )
            assert (done.status_code, done.json()["size"]) == (200, str(2 * len(DATA)))
            gcs.session.close()

    @pytest.mark.parametrize("end", [b"", b"zz\r\n", b"5\r\nabcdefgh"])
    def test_a_chunked_body_that_breaks_off_makes_nothing(self, end: bytes) -> None:
        with CloudStorageServer(buckets=["bucket"]) as server:
            connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
            connection.putrequest("POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=a")
            connection.putheader("Transfer-Encoding", "chunked")
            connection.endheaders(b"3\r\nabc\r\n" + end)
            with pytest.raises(OSError):  # noqa: PT011, PT012 - whichever call meets the reset first
                connection.sock.shutdown(socket.SHUT_WR)
                connection.sock.recv(1)
            connection.close()
            assert requests.get(f"{server.url}/storage/v1/b/bucket/o/a", timeout=60).status_code == 404
