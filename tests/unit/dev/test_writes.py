"""Which requests to the embedded S3 are writes: made by the real SDK, and by curl's plain requests."""

import io

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from replicator.dev.clients import http_session, s3_client
from replicator.dev.s3 import EmbeddedS3
from replicator.dev.sockets import bind
from replicator.dev.writes import Created, Deleted, Tagged

BUCKET = "watched"
ODD_KEY = "a folder/1 + 1 = 100 % ünï 🦊"
TAGS = {"TagSet": [{"Key": "a", "Value": "b"}]}


@pytest.fixture
def writes():
    return []


@pytest.fixture
def url(writes):
    with bind(0) as listener, EmbeddedS3(listener, [BUCKET], writes.append) as s3:
        yield s3.url


@pytest.fixture
def client(url):
    client = s3_client(url)
    yield client
    client.close()


def version(client):
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})


def test_a_put_is_a_write_of_the_raw_key_with_size_and_etag(client, writes):
    answer = client.put_object(Bucket=BUCKET, Key=ODD_KEY, Body=b"Hello")
    (write,) = writes
    assert write == Created(BUCKET, ODD_KEY, "PutObject", 5, answer["ETag"].strip('"'), None, write.request_id)
    assert write.request_id


def test_a_copy_is_a_write_of_the_copy(client, writes):
    client.put_object(Bucket=BUCKET, Key="a", Body=b"Hello")
    client.copy_object(Bucket=BUCKET, Key="b", CopySource={"Bucket": BUCKET, "Key": "a"})
    assert [(write.key, write.reason, write.size) for write in writes] == [
        ("a", "PutObject", 5),
        ("b", "CopyObject", 5),
    ]


def test_a_multipart_upload_is_one_write_when_it_is_complete(client, writes):
    part = 5 * 1024**2
    config = TransferConfig(multipart_threshold=part, multipart_chunksize=part)
    client.upload_fileobj(io.BytesIO(bytes(part + 1)), BUCKET, "large", Config=config)
    (write,) = writes
    assert (write.reason, write.size, write.version_id) == ("CompleteMultipartUpload", part + 1, None)
    assert write.etag.endswith("-2")


def test_an_abandoned_multipart_upload_is_no_write(client, writes):
    upload = client.create_multipart_upload(Bucket=BUCKET, Key="large")["UploadId"]
    client.upload_part(Bucket=BUCKET, Key="large", UploadId=upload, PartNumber=1, Body=b"part")
    client.abort_multipart_upload(Bucket=BUCKET, Key="large", UploadId=upload)
    assert writes == []


def test_a_delete_is_permanent_where_there_are_no_versions(client, writes):
    client.put_object(Bucket=BUCKET, Key=ODD_KEY, Body=b"")
    client.delete_object(Bucket=BUCKET, Key=ODD_KEY)
    assert writes[1] == Deleted(BUCKET, ODD_KEY, False, None, writes[1].request_id)


def test_a_delete_leaves_a_marker_where_there_are_versions(client, writes):
    version(client)
    put = client.put_object(Bucket=BUCKET, Key="k", Body=b"")
    deleted = client.delete_object(Bucket=BUCKET, Key="k")
    client.delete_object(Bucket=BUCKET, Key="k", VersionId=put["VersionId"])
    client.delete_object(Bucket=BUCKET, Key="k", VersionId=deleted["VersionId"])
    assert writes[0].version_id == put["VersionId"]
    assert [(write.marker, write.version_id) for write in writes[1:]] == [
        (True, deleted["VersionId"]),
        (False, put["VersionId"]),
        (False, deleted["VersionId"]),
    ]


@pytest.mark.parametrize("quiet", [True, False])
def test_a_delete_of_many_is_a_write_of_each(client, writes, quiet):
    for key in ("a", ODD_KEY, "<&>"):
        client.put_object(Bucket=BUCKET, Key=key, Body=b"")
    del writes[:]
    client.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": "a"}, {"Key": ODD_KEY}, {"Key": "<&>"}], "Quiet": quiet}
    )
    assert {(write.key, write.marker, write.version_id) for write in writes} == {
        ("a", False, None),
        (ODD_KEY, False, None),
        ("<&>", False, None),
    }


def test_a_delete_of_many_leaves_markers_where_there_are_versions(client, writes):
    version(client)
    put = client.put_object(Bucket=BUCKET, Key="k", Body=b"")
    client.delete_objects(
        Bucket=BUCKET, Delete={"Objects": [{"Key": "k"}, {"Key": "k", "VersionId": put["VersionId"]}]}
    )
    marked, removed = writes[1:]
    assert marked.marker
    assert marked.version_id != put["VersionId"]
    assert (removed.marker, removed.version_id) == (False, put["VersionId"])


def test_tags_that_are_put_or_deleted_are_a_write_that_names_the_object_s_etag(client, writes):
    etag = client.put_object(Bucket=BUCKET, Key=ODD_KEY, Body=b"x")["ETag"].strip('"')
    client.put_object_tagging(Bucket=BUCKET, Key=ODD_KEY, Tagging=TAGS)
    client.delete_object_tagging(Bucket=BUCKET, Key=ODD_KEY)
    assert writes[1:] == [
        Tagged(BUCKET, ODD_KEY, True, etag, None, writes[1].request_id),
        Tagged(BUCKET, ODD_KEY, False, etag, None, writes[2].request_id),
    ]


def test_the_tags_of_a_version_are_a_write_that_names_it(client, writes):
    version(client)
    first = client.put_object(Bucket=BUCKET, Key="k", Body=b"first")
    second = client.put_object(Bucket=BUCKET, Key="k", Body=b"second")
    client.put_object_tagging(Bucket=BUCKET, Key="k", VersionId=first["VersionId"], Tagging=TAGS)
    client.put_object_tagging(Bucket=BUCKET, Key="k", Tagging=TAGS)
    assert [(write.version_id, write.etag) for write in writes[2:]] == [
        (put["VersionId"], put["ETag"].strip('"')) for put in (first, second)
    ]


def test_tags_of_the_bucket_or_of_nothing_are_no_write(client, writes):
    client.put_bucket_tagging(Bucket=BUCKET, Tagging=TAGS)
    client.delete_bucket_tagging(Bucket=BUCKET)
    with pytest.raises(ClientError):
        client.put_object_tagging(Bucket=BUCKET, Key="nothing", Tagging=TAGS)
    assert writes == []


def test_what_touches_neither_the_object_as_a_whole_nor_its_tags_is_no_write(client, writes):
    client.put_object(Bucket=BUCKET, Key="k", Body=b"x")
    client.put_object_acl(Bucket=BUCKET, Key="k", ACL="private")
    client.get_object_tagging(Bucket=BUCKET, Key="k")
    client.get_object(Bucket=BUCKET, Key="k")["Body"].read()
    client.head_object(Bucket=BUCKET, Key="k")
    client.list_objects_v2(Bucket=BUCKET)
    assert len(writes) == 1


def test_a_request_that_fails_is_no_write(client, writes):
    with pytest.raises(ClientError):
        client.put_object(Bucket="nowhere", Key="k", Body=b"")
    with pytest.raises(ClientError):
        client.copy_object(Bucket=BUCKET, Key="b", CopySource={"Bucket": BUCKET, "Key": "nothing"})
    assert writes == []


def test_other_buckets_are_not_watched(client, writes):
    client.create_bucket(Bucket="other")
    client.put_object(Bucket="other", Key="k", Body=b"")
    client.delete_object(Bucket="other", Key="k")
    client.delete_bucket(Bucket="other")
    assert writes == []


def test_plain_requests_without_a_signature_may_write_and_read(url, writes):
    with http_session() as http:
        target = f"{url}/{BUCKET}/a%20b+c"
        for body in (b"first", b"second"):
            assert http.put(target, data=body).status_code == requests.codes.ok
        assert http.get(target).content == b"second"
        assert http.delete(target).status_code == requests.codes.no_content
    assert [write.key for write in writes] == ["a b+c"] * 3
