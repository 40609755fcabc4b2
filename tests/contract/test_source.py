"""What every `Source` promises: the in-memory one of the unit tests, the real adapter on a server, and several of these
that are chosen from by bucket.

`S3_CONTRACT_ENDPOINT`, with the SDK's own variables for credentials, names another server than moto's.
"""

import hashlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError

from replicator.adapters.source_by_bucket import SourceByBucket
from replicator.errors import Permanent, SourceMoved
from replicator.model import Checksum, ContentHeaders, SourceKey, SourceObject
from replicator.ports import Body
from replicator.reasons import Reason
from tests.fakes import InMemorySource
from tests.servers import moto, s3_client, s3_source

TEXT = ContentHeaders("text/plain")


class Side:
    """A source, a bucket in it, and ways to write to it."""

    def __init__(self, source, bucket: str, put, delete) -> None:
        self.source, self.bucket, self.put, self.delete = source, bucket, put, delete
        self.missing_bucket = f"no-such-bucket-{uuid.uuid4()}"

    def key(self, key: str = "k") -> SourceKey:
        return SourceKey(self.bucket, key)


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    if endpoint := os.environ.get("S3_CONTRACT_ENDPOINT"):
        yield endpoint
    else:
        with moto() as url:
            yield url


@pytest.fixture(params=["in memory", "S3", "by bucket"])
def side(request) -> Iterator[Side]:
    if request.param == "in memory":
        source = InMemorySource("source")
        yield Side(source, "source", source.put, source.delete)
        return
    url = request.getfixturevalue("s3_url")
    client, bucket = s3_client(url), f"contract-{uuid.uuid4()}"
    client.create_bucket(Bucket=bucket)

    def put(key, data, headers=TEXT, metadata=None):
        arguments = {
            "ContentType": headers.content_type,
            "ContentEncoding": headers.content_encoding,
            "ContentDisposition": headers.content_disposition,
            "ContentLanguage": headers.content_language,
            "CacheControl": headers.cache_control,
        }
        present = {name: value for name, value in arguments.items() if value is not None}
        client.put_object(Bucket=key.bucket, Key=key.key, Body=data, Metadata=metadata or {}, **present)

    side = Side(s3_source(url), bucket, put, lambda key: client.delete_object(Bucket=key.bucket, Key=key.key))
    if request.param == "by bucket":
        side.source = SourceByBucket({bucket: side.source, side.missing_bucket: s3_source(url)})
    yield side
    for found in client.list_objects_v2(Bucket=bucket).get("Contents", ()):
        client.delete_object(Bucket=bucket, Key=found["Key"])
    client.delete_bucket(Bucket=bucket)


def read(side: Side, state, offset: int = 0, length: int | None = None) -> bytes:
    with side.source.open(state, offset, length) as body:
        return everything(body, state.size)


def read_now(side: Side, key: SourceKey) -> tuple[SourceObject, bytes] | None:
    with side.source.read(key) as answered:
        return answered and (answered[0], everything(answered[1], answered[0].size))


def everything(body: Body, size: int) -> bytes:
    data = bytearray(size + 10)
    filled = 0
    while count := body.readinto(memoryview(data)[filled:]):
        filled += count
    return bytes(data[:filled])


def test_an_absent_object_is_none(side):
    assert side.source.stat(side.key("absent")) is None


def test_a_missing_bucket_never_looks_like_absent_objects(side):
    with pytest.raises(Permanent) as missing:
        side.source.stat(SourceKey(side.missing_bucket, "k"))
    assert missing.value.reason is Reason.SOURCE_BUCKET_NOT_FOUND


def test_an_object_is_what_was_put(side):
    headers = ContentHeaders("text/css", "gzip", "inline", "de", "no-cache")
    side.put(side.key(), b"hello", headers=headers, metadata={"colour": "blue"})
    state = side.source.stat(side.key())
    assert (state.key, state.size, state.headers) == (side.key(), 5, headers)
    assert dict(state.metadata) == {"colour": "blue"}
    assert state.etag == hashlib.md5(b"hello", usedforsecurity=False).hexdigest()
    assert (state.version_id, state.archived) == (None, False)
    assert isinstance(state.checksum, Checksum)


def test_the_same_object_has_the_same_state(side):
    side.put(side.key(), b"hello")
    assert side.source.stat(side.key()) == side.source.stat(side.key())


def test_an_overwritten_object_has_another_state(side):
    side.put(side.key(), b"one")
    before = side.source.stat(side.key())
    side.put(side.key(), b"two")
    assert side.source.stat(side.key()) != before


def test_a_deleted_object_is_absent(side):
    side.put(side.key(), b"hello")
    side.delete(side.key())
    assert side.source.stat(side.key()) is None


@pytest.mark.parametrize("key", ["a b", "a+b", "a%2Fb", "a/b//c/", "ü/日本", "🚀", "x?y#z&w", "é" * 512])
def test_any_key_can_be_read(side, key):
    side.put(side.key(key), b"hello")
    assert read(side, side.source.stat(side.key(key))) == b"hello"


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_all_bytes_are_read(side, size):
    data = os.urandom(size)
    side.put(side.key(), data)
    assert read(side, side.source.stat(side.key())) == data


@pytest.mark.parametrize("offset", [1, 65_536, 99_999])
def test_reading_can_begin_anywhere(side, offset):
    data = os.urandom(100_000)
    side.put(side.key(), data)
    assert read(side, side.source.stat(side.key()), offset) == data[offset:]


@pytest.mark.parametrize(("offset", "length"), [(0, 1), (0, 99_999), (1, 65_536), (50_000, 50_000), (99_999, 1)])
def test_any_range_can_be_read(side, offset, length):
    data = os.urandom(100_000)
    side.put(side.key(), data)
    assert read(side, side.source.stat(side.key()), offset, length) == data[offset : offset + length]


def test_reading_may_stop_anywhere_and_begin_again(side):
    data = os.urandom(1_000_000)
    side.put(side.key(), data)
    state = side.source.stat(side.key())
    with side.source.open(state) as body:
        body.readinto(memoryview(bytearray(10)))
    with side.source.open(state):
        pass
    assert read(side, state) == data


def test_a_range_of_an_overwritten_object_is_not_read_either(side):
    side.put(side.key(), b"one..")
    pinned = side.source.stat(side.key())
    side.put(side.key(), b"two..")
    with pytest.raises(SourceMoved):
        read(side, pinned, 1, 2)


@pytest.mark.parametrize("offset", [0, 3])
def test_an_overwritten_object_is_not_read_in_place_of_the_pinned_one(side, offset):
    side.put(side.key(), b"one..")
    pinned = side.source.stat(side.key())
    side.put(side.key(), b"two..")
    with pytest.raises(SourceMoved):
        read(side, pinned, offset)


def test_a_deleted_object_is_not_read(side):
    side.put(side.key(), b"hello")
    pinned = side.source.stat(side.key())
    side.delete(side.key())
    with pytest.raises(SourceMoved):
        read(side, pinned)


def test_the_same_bytes_written_at_another_time_are_another_state(side):
    side.put(side.key(), b"hello")
    pinned = side.source.stat(side.key())
    with pytest.raises(SourceMoved):
        read(side, replace(pinned, last_modified=pinned.last_modified.replace(year=2020)))


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_state_and_bytes_are_read_at_once(side, size):
    data = os.urandom(size)
    side.put(side.key(), data, headers=ContentHeaders("text/css", "gzip", "inline", "de", "no-cache"))
    assert read_now(side, side.key()) == (side.source.stat(side.key()), data)


def put_in_parts(client, bucket: str) -> None:
    upload = client.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    part = {"Bucket": bucket, "Key": "k", "UploadId": upload, "PartNumber": 1, "ChecksumAlgorithm": "SHA256"}
    sent = client.upload_part(**part, Body=b"hello")
    parts = [{"PartNumber": 1, "ETag": sent["ETag"], "ChecksumSHA256": sent["ChecksumSHA256"]}]
    client.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload={"Parts": parts})


WRITES = {
    "tags": lambda client, bucket: client.put_object(Bucket=bucket, Key="k", Body=b"hello", Tagging="team=red&b="),
    "KMS": lambda client, bucket: client.put_object(
        Bucket=bucket, Key="k", Body=b"hello", ServerSideEncryption="aws:kms", ChecksumAlgorithm="CRC32C"
    ),
    "metadata": lambda client, bucket: client.put_object(
        Bucket=bucket, Key="k", Body=b"hello", Metadata={"city": "Paris"}, Expires="Thu, 01 Dec 2050 16:00:00 GMT"
    ),
    "parts": put_in_parts,
}


@pytest.mark.parametrize("versioning", ["Suspended", "Enabled"])
@pytest.mark.parametrize("write", WRITES)
def test_the_state_is_the_same_with_the_bytes_and_without(s3_url, write, versioning):
    """The protocol compares the two."""
    client, bucket = s3_client(s3_url), f"contract-{uuid.uuid4()}"
    client.create_bucket(Bucket=bucket)
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": versioning})
    try:
        WRITES[write](client, bucket)
    except ClientError as refused:
        pytest.skip(f"this S3 cannot do it: {refused}")
    source, key = s3_source(s3_url), SourceKey(bucket, "k")
    by_sdk = source.stat(key)
    assert (by_sdk.version_id is not None) == (versioning == "Enabled")
    assert bool(by_sdk.tags) == (write == "tags")
    assert source.stat(key) == by_sdk
    for side in (source, s3_source(s3_url)):
        with side.read(key) as (state, body):
            assert (state, everything(body, state.size)) == (by_sdk, b"hello")
        with side.open(by_sdk, 1, 3) as body:
            assert everything(body, 3) == b"ell"


def test_of_an_absent_object_there_is_nothing_to_read(side):
    assert read_now(side, side.key("absent")) is None


def test_nothing_is_read_of_a_missing_bucket(side):
    with pytest.raises(Permanent) as missing:
        read_now(side, SourceKey(side.missing_bucket, "k"))
    assert missing.value.reason is Reason.SOURCE_BUCKET_NOT_FOUND


def test_bytes_that_are_not_wanted_are_left_unread(side):
    side.put(side.key(), os.urandom(1_000_000))
    for _ in range(3):
        with side.source.read(side.key()) as (state, _):
            assert state == side.source.stat(side.key())


def test_a_stored_checksum_is_the_one_to_check_with(side):
    side.put(side.key(), b"hello")
    state = side.source.stat(side.key())
    assert side.source.checksum(state) == state.checksum


def test_a_bucket_that_can_be_read_passes_its_check(side):
    side.source.check(side.bucket)


def test_a_missing_bucket_fails_its_check(side):
    with pytest.raises(Permanent) as missing:
        side.source.check(side.missing_bucket)
    assert missing.value.reason is Reason.SOURCE_BUCKET_NOT_FOUND
