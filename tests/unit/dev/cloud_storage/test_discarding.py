"""A server that throws bytes away still checks them, and says that it has none."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from replicator.dev.cloud_storage import CloudStorageServer
from tests.contract.cloud_storage_endpoint import QUANTUM, Endpoint, crc32c, put

DATA = os.urandom(9 * 1024 * 1024 + 5)


@pytest.fixture
def gcs() -> Iterator[Endpoint]:
    with CloudStorageServer(buckets=["bucket"], discard=True, report_md5=False) as server:
        endpoint = Endpoint(server.url, "bucket")
        yield endpoint
        endpoint.session.close()


def test_sizes_and_checksums_are_kept_of_every_upload(gcs):
    uri = gcs.start("resumable")
    put(uri, DATA[: 3 * QUANTUM], f"bytes 0-{3 * QUANTUM - 1}/{len(DATA)}")
    put(uri, DATA[3 * QUANTUM :], f"bytes {3 * QUANTUM}-{len(DATA) - 1}/{len(DATA)}")
    gcs.insert("media", DATA)
    gcs.multipart("multipart", DATA, {"crc32c": crc32c(DATA)})
    for name in ("resumable", "media", "multipart"):
        found = gcs.get(name).json()
        assert (int(found["size"]), found["crc32c"]) == (len(DATA), crc32c(DATA))


def test_a_small_body_after_a_large_one_is_itself(gcs):
    gcs.multipart("large", DATA)
    assert gcs.multipart("small", b"few", {"crc32c": crc32c(b"few")}).status_code == 200


def test_damaged_bytes_are_refused(gcs):
    assert gcs.multipart("a", DATA, {"crc32c": crc32c(b"other")}).status_code == 400


def test_objects_are_composed_without_their_bytes(gcs):
    gcs.insert("a", b"one")
    gcs.insert("b", b"two")
    found = gcs.compose("c", [{"name": "a"}, {"name": "b"}]).json()
    assert (found["size"], found["crc32c"], found["componentCount"]) == ("6", crc32c(b"onetwo"), 2)


def test_bytes_that_were_thrown_away_are_not_answered(gcs):
    gcs.insert("a", b"one")
    refused = gcs.media("a")
    assert (refused.status_code, refused.json()["error"]["errors"][0]["reason"]) == (501, "notImplemented")


def test_the_server_can_be_started_alone():
    command = [sys.executable, "-m", "replicator.dev.cloud_storage", "--bucket", "bucket", "--discard", "--no-md5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
            assert requests.get(f"{url}/storage/v1/b/bucket", timeout=60).json()["name"] == "bucket"
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
