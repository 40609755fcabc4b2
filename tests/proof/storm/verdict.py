"""Whether both sides are equal, from what is written there and nothing that the service said."""

import hashlib
import http.client
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from replicator.dev.clients import s3_client, storage_client
from replicator.receipt import decode
from replicator.rules import RESERVED_PREFIX
from tests.proof.storm.traffic import ARCHIVED, BUCKET, Sent, Step

READERS = 4


@dataclass(frozen=True, slots=True)
class Expected:
    """The state of a source object: its bytes, as they were written, and what S3 says of it."""

    data: bytes
    etag: str
    modified: Any


def source_state(s3_url: str, last: Mapping[str, Step]) -> dict[str, Expected]:
    """What S3 holds. Fails where that is not what was written last: then the storm itself is wrong."""
    pages = s3_client(s3_url).get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    listed = {entry["Key"]: entry for page in pages for entry in page.get("Contents", ()) if entry["Key"] != ARCHIVED}
    written = {key: step.data for key, step in last.items() if step.size is not None}
    assert listed.keys() == written.keys()
    found = {}
    for key, entry in listed.items():
        etag = entry["ETag"].strip('"')
        assert etag == hashlib.md5(written[key], usedforsecurity=False).hexdigest()
        found[key] = Expected(written[key], etag, entry["LastModified"].replace(microsecond=0))
    return found


def temporaries(storage_url: str, bucket: str) -> int:
    """How many objects the dead have left behind, for the bucket's lifecycle rule."""
    return sum(1 for _ in storage_client(storage_url).list_blobs(bucket, prefix=RESERVED_PREFIX))


def differences(expected: Mapping[str, Expected], storage_url: str, bucket: str) -> list[str]:
    """What is not equal: one sentence each, and none when all is well. Temporary objects are not looked at."""
    listed = storage_client(storage_url).list_blobs(bucket)
    blobs = {blob.name: blob for blob in listed if not blob.name.startswith(RESERVED_PREFIX)}
    found = [f"{name}: is there without a source" for name in sorted(blobs.keys() - expected.keys())]
    found += [f"{key}: is missing" for key in sorted(expected.keys() - blobs.keys())]
    both = sorted(expected.keys() & blobs.keys())
    for key in both:
        receipt = decode(blobs[key].metadata or {})
        if receipt is None:
            found.append(f"{key}: has no receipt")
        elif (receipt.etag, receipt.last_modified) != (expected[key].etag, expected[key].modified):
            found.append(f"{key}: has the receipt of another state")
    shares = [both[number::READERS] for number in range(READERS)]
    with ThreadPoolExecutor(READERS) as readers:
        for share in readers.map(partial(_other_bytes, expected, storage_url, bucket), shares):
            found += share
    return found


def _other_bytes(expected: Mapping[str, Expected], url: str, bucket: str, keys: list[str]) -> list[str]:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
        return [f"{key}: has other bytes" for key in keys if _read(connection, bucket, key) != expected[key].data]


def _read(connection: http.client.HTTPConnection, bucket: str, key: str) -> bytes:
    connection.request("GET", f"/storage/v1/b/{bucket}/o/{quote(key, safe='')}?alt=media")
    return connection.getresponse().read()


def wrong_dead_letters(letters: Counter[str], poison: Sequence[Sent]) -> list[str]:
    """Poison that is not among the dead letters exactly once, and dead letters that are no poison."""
    sent = Counter(one.about for one in poison)
    missing = [f"{about}: of {sent[about]}, {letters[about]} are dead letters" for about in sent - letters]
    return missing + [f"{about}: {count} too many" for about, count in (letters - sent).items()]
