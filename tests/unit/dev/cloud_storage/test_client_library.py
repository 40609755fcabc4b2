"""google-cloud-storage itself takes the server for Cloud Storage."""

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from google.api_core.exceptions import NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from replicator.dev.cloud_storage import CloudStorageServer

QUANTUM = 256 * 1024


@pytest.fixture(params=["memory", "folder"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[storage.Client]:
    with CloudStorageServer(folder=tmp_path if request.param == "folder" else None) as server:
        client = storage.Client(
            project="test", credentials=AnonymousCredentials(), client_options={"api_endpoint": server.url}
        )
        yield client
        client.close()


@pytest.fixture
def bucket(client: storage.Client) -> storage.Bucket:
    return client.create_bucket("bucket")


def test_buckets(client: storage.Client, bucket: storage.Bucket) -> None:
    assert [found.name for found in client.list_buckets()] == ["bucket"]
    assert bucket.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]
    assert client.bucket("missing").exists() is False
    bucket.delete()
    with pytest.raises(NotFound):
        client.get_bucket("bucket")


def test_a_small_upload(bucket: storage.Bucket) -> None:
    blob = bucket.blob("dir/ü 😀+%.txt")
    blob.metadata = {"k": "v"}
    blob.upload_from_string("text", content_type="text/plain", if_generation_match=0)
    assert (blob.size, blob.content_type, blob.metadata, blob.metageneration) == (4, "text/plain", {"k": "v"}, 1)
    assert blob.download_as_bytes() == b"text"
    assert blob.exists()
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string("other", if_generation_match=0)


@pytest.mark.parametrize("size", [0, 100, 3 * QUANTUM, 3 * QUANTUM + 5])
@pytest.mark.parametrize("known", [True, False])
def test_a_resumable_upload(bucket: storage.Bucket, size: int, known: bool) -> None:
    data = os.urandom(size)
    blob = bucket.blob("a", chunk_size=QUANTUM)
    blob.upload_from_file(io.BytesIO(data), size=size if known else None, checksum="crc32c")
    assert bucket.blob("a").download_as_bytes(checksum="md5") == data


@pytest.mark.parametrize("size", [0, 100, 2 * QUANTUM, 2 * QUANTUM + 5])
def test_a_file_opened_for_writing(bucket: storage.Bucket, size: int) -> None:
    data = os.urandom(size)
    with bucket.blob("a").open("wb", chunk_size=QUANTUM, if_generation_match=0) as writer:
        writer.write(data)
    with bucket.blob("a").open("rb") as reader:
        assert reader.read() == data


def test_a_session_for_somebody_else(bucket: storage.Bucket) -> None:
    uri = bucket.blob("a").create_resumable_upload_session(content_type="text/plain", size=4, if_generation_match=0)
    assert requests.put(uri, data=b"text", timeout=60).status_code == 200
    assert bucket.get_blob("a").content_type == "text/plain"


def test_ranges(bucket: storage.Bucket) -> None:
    bucket.blob("a").upload_from_string(bytes(range(100)))
    assert bucket.blob("a").download_as_bytes(start=10, end=19) == bytes(range(10, 20))
    assert bucket.blob("a", chunk_size=QUANTUM).download_as_bytes() == bytes(range(100))


def test_metadata(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string("text")
    blob.metadata = {"k": "v"}
    blob.cache_control = "no-cache"
    blob.patch(if_metageneration_match=1)
    assert bucket.get_blob("a").metadata == {"k": "v"}
    with pytest.raises(PreconditionFailed):
        blob.patch(if_metageneration_match=1)
    blob.metadata = None
    blob.update()
    assert bucket.get_blob("a").metadata is None


def test_composition(bucket: storage.Bucket) -> None:
    parts = [bucket.blob(f"part-{number}") for number in range(3)]
    for part in parts:
        part.upload_from_string(part.name)
    whole = bucket.blob("whole")
    whole.compose(parts, if_generation_match=0, if_source_generation_match=[part.generation for part in parts])
    assert (whole.component_count, whole.md5_hash) == (3, None)
    assert whole.download_as_bytes() == b"part-0part-1part-2"
    with pytest.raises(PreconditionFailed):
        whole.compose(parts, if_generation_match=0)
    whole.compose(parts, delete_source_objects=True)
    assert [blob.name for blob in bucket.list_blobs()] == ["whole"]


def test_copies(bucket: storage.Bucket) -> None:
    source = bucket.blob("source")
    source.metadata = {"k": "v"}
    source.upload_from_string("text")
    copy = bucket.blob("copy")
    assert copy.rewrite(source) == (None, 4, 4)
    assert bucket.copy_blob(source, bucket, "other").download_as_bytes() == b"text"
    copy.reload()
    copy.update_storage_class("NEARLINE")
    assert bucket.get_blob("copy").storage_class == "NEARLINE"
    assert bucket.get_blob("copy").metadata == {"k": "v"}


def test_deletion(bucket: storage.Bucket) -> None:
    blob = bucket.blob("a")
    blob.upload_from_string("text")
    with pytest.raises(PreconditionFailed):
        blob.delete(if_generation_match=blob.generation - 1)
    blob.delete(if_generation_match=blob.generation)
    assert not blob.exists()
    with pytest.raises(NotFound):
        blob.delete()


def test_listing(client: storage.Client, bucket: storage.Bucket) -> None:
    for name in ("a", "b/1", "b/2", "c"):
        bucket.blob(name).upload_from_string(name)
    assert [blob.name for blob in client.list_blobs("bucket", page_size=1)] == ["a", "b/1", "b/2", "c"]
    folded = client.list_blobs("bucket", delimiter="/")
    assert ([blob.name for blob in folded], folded.prefixes) == (["a", "c"], {"b/"})
