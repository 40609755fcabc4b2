import pytest
from google.cloud.storage import Client

from replicator.dev.clients import s3_client, storage_client
from replicator.dev.cloud_storage import CloudStorageServer
from replicator.dev.compare import Comparison, Difference, compare
from replicator.dev.s3 import EmbeddedS3
from replicator.dev.sockets import bind
from replicator.model import SourceKey, SourceObject
from replicator.receipt import METADATA_KEY, encode, receipt_of

SOURCE, DESTINATION = "compared-source", "compared-replica"


@pytest.fixture
def s3():
    with bind(0) as listener, EmbeddedS3(listener, [SOURCE], lambda _: None) as server:
        client = s3_client(server.url)
        yield client
        client.close()


@pytest.fixture
def storage():
    with CloudStorageServer(buckets=[DESTINATION]) as server:
        client = storage_client(server.url)
        yield client
        client.close()


@pytest.fixture(autouse=True)
def replica(s3, storage: Client):
    """One object and its replica, as the replicator would have made it."""
    s3.put_object(
        Bucket=SOURCE,
        Key="a b/ü",
        Body=b"Hello",
        ContentType="text/plain",
        CacheControl="no-cache",
        Metadata={"colour": "green"},
    )
    head = s3.head_object(Bucket=SOURCE, Key="a b/ü")
    state = SourceObject(SourceKey(SOURCE, "a b/ü"), head["ETag"].strip('"'), None, head["LastModified"], 5)
    blob = storage.bucket(DESTINATION).blob("a b/ü")
    blob.cache_control = "no-cache"
    blob.metadata = {"colour": "green", METADATA_KEY: encode(receipt_of(state))}
    blob.upload_from_string(b"Hello", content_type="text/plain")
    return blob


def differences(s3, storage):
    return compare(s3, SOURCE, storage, DESTINATION).differences


def test_equal_buckets_have_no_differences(s3, storage):
    assert compare(s3, SOURCE, storage, DESTINATION) == Comparison(1, 5, ())


def test_other_bytes_of_the_same_length_are_a_difference(s3, storage, replica):
    replica.upload_from_string(b"hello", content_type="text/plain")
    assert Difference("a b/ü", "has other bytes") in differences(s3, storage)


def test_a_missing_replica_is_a_difference(s3, storage, replica):
    replica.delete()
    assert differences(s3, storage) == (Difference("a b/ü", "is missing in the destination"),)


def test_a_replica_without_a_source_is_a_difference(s3, storage):
    s3.delete_object(Bucket=SOURCE, Key="a b/ü")
    assert differences(s3, storage) == (Difference("a b/ü", "exists only in the destination"),)


@pytest.mark.parametrize(
    ("attribute", "what"),
    [("content_type", "has another content type"), ("cache_control", "has another cache control")],
)
def test_another_header_is_a_difference(s3, storage, replica, attribute, what):
    setattr(replica, attribute, "other")
    replica.patch()
    assert differences(s3, storage) == (Difference("a b/ü", what),)


def test_other_user_metadata_is_a_difference(s3, storage, replica):
    replica.metadata = {**replica.metadata, "colour": "red"}
    replica.patch()
    assert differences(s3, storage) == (Difference("a b/ü", "has other user metadata"),)


def test_a_receipt_that_names_another_state_is_a_difference(s3, storage, replica):
    replica.metadata = {METADATA_KEY: replica.metadata[METADATA_KEY].replace("8b1a9953", "00000000"), "colour": "green"}
    replica.patch()
    assert differences(s3, storage) == (Difference("a b/ü", "has a receipt for another state, or none"),)
