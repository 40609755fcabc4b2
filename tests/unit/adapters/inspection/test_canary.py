"""A canary in a bucket that keeps versions."""

from collections.abc import Iterator

import pytest

from replicator.adapters.inspection.canary import CanaryWriter
from replicator.model import SourceKey
from tests.servers import moto, s3_client

BUCKET = "canary-writer-bucket"
KEY = SourceKey(BUCKET, "live/replicator canary")


@pytest.fixture
def s3(aws_environment, monkeypatch) -> Iterator:
    with moto() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", url)
        client = s3_client(url)
        client.create_bucket(Bucket=BUCKET)
        yield client
        for version in kept(client):
            client.delete_object(Bucket=BUCKET, Key=KEY.key, VersionId=version)
        client.delete_bucket(Bucket=BUCKET)
        client.close()


def kept(s3) -> list[str]:
    """The versions that there are, and the delete markers."""
    found = s3.list_object_versions(Bucket=BUCKET)
    return [one["VersionId"] for one in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]]


def test_with_versions_a_canary_and_its_delete_marker_leave_nothing(s3):
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    writer = CanaryWriter(None, "us-east-1")
    version = writer.put(KEY, b"canary", {"a": "b c"})
    assert kept(s3) == [version]
    answer = s3.get_object(Bucket=BUCKET, Key=KEY.key, VersionId=version)
    assert answer["Body"].read() == b"canary"
    tags = s3.get_object_tagging(Bucket=BUCKET, Key=KEY.key)["TagSet"]
    assert tags == [{"Key": "a", "Value": "b c"}]
    marker = writer.delete(KEY)
    assert sorted(kept(s3)) == sorted([version, marker])
    assert writer.delete(KEY, version) is None
    assert kept(s3) == [marker]
    assert writer.delete(KEY, marker) is None
    assert kept(s3) == []


def test_without_versions_a_canary_has_none(s3):
    writer = CanaryWriter(None, "us-east-1")
    assert writer.put(KEY, b"canary", {}) is None
    assert s3.get_object_tagging(Bucket=BUCKET, Key=KEY.key)["TagSet"] == []
    assert writer.delete(KEY) is None
    assert kept(s3) == []
