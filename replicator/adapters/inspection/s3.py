"""Looks at source buckets, with the requests that the service itself makes and some that only their owners may."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from replicator.adapters.s3_errors import asked, code_of, status_of, translated
from replicator.adapters.s3_object import ARCHIVE_CLASSES, version_id
from replicator.doctor.facts import Notifications, SourceFacts, TriedObject, Unread
from replicator.errors import ReplicationError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

LOOKED_THROUGH = 100
"""Keys among which one is sought that can be read."""


def look_at(client: "S3Client", bucket: str, prefixes: Sequence[str]) -> SourceFacts:
    """All there is to know of a bucket. `prefixes` are those of the keys that are replicated.

    What is refused, or gets no answer, is part of the facts.
    """
    region = _region(client, bucket)
    found, refused = None, None
    try:
        found = _some_object(client, bucket, prefixes)
    except ReplicationError as error:
        refused = error
    return SourceFacts(
        bucket,
        region,
        refused,
        _try(client, bucket, found) if found else None,
        _owners(lambda: _notifications(client, bucket), "s3:GetBucketNotification"),
        _owners(lambda: _default_key(client, bucket), "s3:GetEncryptionConfiguration"),
        _owners(lambda: _requester_pays(client, bucket), "s3:GetBucketRequestPayment"),
    )


def _attempt(request: Callable[[], object]) -> ReplicationError | None:
    try:
        asked(request)
    except ReplicationError as error:
        return error
    return None


def _owners(look: Callable[[], T], permission: str) -> T | Unread:
    """What a reader need not be allowed to see."""
    try:
        return translated(look)
    except ClientError as error:
        if status_of(error) in (401, 403):
            return Unread("S3 refuses it", permission)
        return Unread(f"S3 answers {code_of(error)}")
    except ReplicationError as error:
        return Unread(error.reason.explained(error.detail).rstrip("."))


def _region(client: "S3Client", bucket: str) -> str | None:
    """S3 names the region even where it refuses (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html)."""
    try:
        answer: Any = translated(lambda: client.head_bucket(Bucket=bucket))
    except ClientError as error:
        answer = error.response
    except ReplicationError:
        return None
    region = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
    return str(region) if region else None


def _some_object(client: "S3Client", bucket: str, prefixes: Sequence[str]) -> Any:
    """One that is replicated, best one that has bytes that can be read now; `None` where there is none."""
    listed: list[Any] = []
    for prefix in prefixes:
        page: Any = asked(lambda: client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=LOOKED_THROUGH))  # noqa: B023  called at once
        listed += page.get("Contents", ())
    readable = [item for item in listed if item.get("StorageClass") not in ARCHIVE_CLASSES]
    return next((item for item in readable if item["Size"]), (readable or [None])[0])


def _try(client: "S3Client", bucket: str, item: Any) -> TriedObject:
    """An empty object has no first byte to ask for, and is read as it is."""
    key: str = item["Key"]
    where: Any = {"Bucket": bucket, "Key": key}
    first_byte: Any = {"Range": "bytes=0-0"} if item["Size"] else {}
    answers: list[Any] = []

    def read(**version: Any) -> None:
        answer = client.get_object(**where, **first_byte, **version)
        with suppress(OSError):
            answer["Body"].close()
        answers.append(answer)

    refused = _attempt(read)
    if refused:
        return TriedObject(key, read=refused)
    version = version_id(answers[0]["ResponseMetadata"]["HTTPHeaders"])
    pinned: Any = {} if version is None else {"VersionId": version}
    return TriedObject(
        key,
        version,
        answers[0].get("SSEKMSKeyId") if "kms" in answers[0].get("ServerSideEncryption", "") else None,
        None,
        _attempt(lambda: read(**pinned)) if pinned else None,
        _attempt(lambda: client.get_object_tagging(**where, **pinned)),
        _attempt(lambda: client.get_object_attributes(**where, **pinned, ObjectAttributes=["ObjectParts"])),
    )


def _notifications(client: "S3Client", bucket: str) -> Notifications:
    found: Any = client.get_bucket_notification_configuration(Bucket=bucket)
    kinds = ("Queue", "Topic", "LambdaFunction")
    others = [one[f"{kind}Arn"] for kind in kinds for one in found.get(f"{kind}Configurations", ())]
    return Notifications("EventBridgeConfiguration" in found, tuple(others))


def _default_key(client: "S3Client", bucket: str) -> str | None:
    """The KMS key of new objects; that of AWS itself (`aws/s3`) cannot be used from another account, and has no name
    here."""
    try:
        found: Any = client.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if code_of(error) == "ServerSideEncryptionConfigurationNotFoundError":
            return None
        raise
    for rule in found["ServerSideEncryptionConfiguration"]["Rules"]:
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if "kms" in default.get("SSEAlgorithm", ""):
            return str(default.get("KMSMasterKeyID", "")) or None
    return None


def _requester_pays(client: "S3Client", bucket: str) -> bool:
    return client.get_bucket_request_payment(Bucket=bucket).get("Payer") == "Requester"
