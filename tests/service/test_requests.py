"""docs/requests.md says what each outcome costs; here it is counted, at both sides, from the real service."""

import os
import re
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.proof.wire.proxy import Proxy
from tests.service.conftest import SOURCE, Service, serving
from tests.service.envelopes import eventbridge, push

DOCUMENT = (Path(__file__).parents[2] / "docs/requests.md").read_text()
KIB, MIB = 1024, 1024**2
SMALL, MEDIUM, STREAM, TEN_PARTS, FORTY_PARTS = 64 * KIB, 64 * KIB + 1, 9 * MIB, 80 * MIB, 320 * MIB

KINDS = {
    ("POST", "uploadType=multipart"): "insert",
    ("POST", "uploadType=resumable"): "begin",
    ("PUT", "upload_id="): "send",
    ("POST", "/compose"): "compose",
    ("GET", r"/o\?"): "list",
    ("GET", "/o/"): "stat",
    ("GET", "/b/replica-bucket"): "facts",
    ("PATCH", "/o/"): "patch",
    ("DELETE", "/o/"): "delete",
}


def documented() -> dict[str, tuple[Counter, Counter]]:
    table = DOCUMENT.split("| outcome |")[1].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {outcome: (counted(s3), counted(storage)) for outcome, s3, storage in rows}


def counted(cell: str) -> Counter:
    if cell == "none":
        return Counter()
    found = re.findall(r"(?:(\d+) . )?(\w+)", cell)
    return Counter({kind: int(times or 1) for times, kind in found})


ROWS = documented()


@pytest.fixture
def counting(s3_url):
    """A service whose requests to both sides are counted, and that has been used before."""
    with Proxy(s3_url) as proxy, serving(s3_url, source_url=proxy.url) as service:
        service.put("warm", b"up" * PAST_THE_SHORTCUT)
        service.replicate("warm")
        yield service, proxy


PAST_THE_SHORTCUT = SMALL


def requests_of(service: Service, proxy: Proxy, key: str = "k") -> tuple[Counter, Counter, dict]:
    proxy.requested.clear()
    service.storage.requests.clear()
    answer = service.replicate(key)
    s3 = Counter(line.split(" ")[0] for line in proxy.requested if re.match(r"[A-Z]+ /", line))
    storage = Counter(kind(served.method, f"{served.path}?{served.query}") for served in service.storage.requests)
    del storage["facts"]  # once in five minutes
    return s3, storage, answer.json()


def kind(method: str, target: str) -> str:
    return next(name for (verb, pattern), name in KINDS.items() if verb == method and re.search(pattern, target))


def put(service: Service, size: int, **properties) -> None:
    service.put("k", os.urandom(size), ChecksumAlgorithm="CRC64NVME", **properties)


@pytest.mark.parametrize(
    ("row", "size", "path"),
    [
        ("created, up to 64 KiB", SMALL, "whole"),
        ("created, up to 8 MiB", MEDIUM, "whole"),
        ("created, up to 8 MiB", 8 * MIB, "whole"),
        ("created, stream", STREAM, "stream"),
        ("created, 10 parts", TEN_PARTS, "parts"),
        ("created, 40 parts", FORTY_PARTS, "parts"),
    ],
)
def test_a_new_object_costs_what_the_document_says(counting, row, size, path):
    service, proxy = counting
    put(service, size)
    s3, storage, answer = requests_of(service, proxy)
    assert (answer["result"], answer["path"]) == ("created", path)
    assert (s3, storage) == ROWS[row]


@pytest.mark.parametrize(("row", "size"), [("updated, up to 64 KiB", SMALL), ("updated, up to 8 MiB", MEDIUM)])
def test_an_overwritten_object_costs_what_the_document_says(counting, row, size):
    service, proxy = counting
    put(service, size)
    service.replicate("k")
    put(service, size)
    s3, storage, answer = requests_of(service, proxy)
    assert answer["result"] == "updated"
    assert (s3, storage) == ROWS[row]


def test_a_changed_header_costs_what_the_document_says(counting):
    service, proxy = counting
    data = os.urandom(MEDIUM)
    service.put("k", data)
    service.replicate("k")
    time.sleep(max(0.0, 1.0 - time.time() % 1))  # S3's last-modified has whole seconds, and a custom time goes forward
    service.put("k", data, ContentType="text/css")
    s3, storage, answer = requests_of(service, proxy)
    assert answer["result"] == "metadata_updated"
    assert (s3, storage) == ROWS["metadata updated"]


@pytest.mark.parametrize(("row", "size"), [("unchanged, up to 64 KiB", SMALL), ("unchanged, larger", MEDIUM)])
def test_an_object_in_sync_costs_what_the_document_says(counting, row, size):
    service, proxy = counting
    put(service, size)
    service.replicate("k")
    s3, storage, answer = requests_of(service, proxy)
    assert answer["result"] == "unchanged"
    assert (s3, storage) == ROWS[row]


def test_an_object_that_is_gone_costs_what_the_document_says(counting):
    service, proxy = counting
    put(service, SMALL)
    service.replicate("k")
    service.delete("k")
    s3, storage, answer = requests_of(service, proxy)
    assert answer["result"] == "deleted"
    assert (s3, storage) == ROWS["deleted"]
    s3, storage, answer = requests_of(service, proxy)
    assert answer["reason"] == "source_not_found"
    assert (s3, storage) == ROWS["source and replica gone"]


def test_what_no_rule_is_for_costs_nothing(counting):
    service, proxy = counting
    proxy.requested.clear()
    service.storage.requests.clear()
    assert service.push(push(eventbridge("k", bucket="nobody-s"))).status_code == 204
    assert (len(proxy.requested), len(service.storage.requests)) == (0, 0)
    assert ROWS["ignored, by bucket or key"] == (Counter(), Counter())


def test_every_row_of_the_document_is_counted():
    source = Path(__file__).read_text()
    assert all(f'"{row}"' in source for row in ROWS), SOURCE
