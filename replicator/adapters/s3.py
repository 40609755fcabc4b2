"""Reads S3 with boto3. No other module imports it, and none of its exceptions leaves this one."""

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import botocore.config
import botocore.credentials
import botocore.session
import urllib3.exceptions
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.response import StreamingBody

from replicator.adapters.aws_data import share_data
from replicator.adapters.s3_object import is_pinned, keep_expires_as_text, source_object
from replicator.errors import Permanent, SourceMoved, Transient
from replicator.model import AwsKeys, NotHeld, SourceKey, SourceObject
from replicator.ports import Body, KeyStore
from replicator.reasons import Reason

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 20
"""Seconds without a byte after which a read counts as broken, to be resumed."""

READ_SIZE = 256 * 1024
"""Most bytes that one read asks for: urllib3 holds them a second time while it copies them into our buffer."""

KMS_TRANSIENT = frozenset(
    {"DependencyTimeoutException", "KeyUnavailableException", "KMSInternalException", "ThrottlingException"}
)
"""KMS's errors that pass; those of a key that is disabled, to be deleted, unknown or forbidden do not
(https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors)."""

KMS_DENIED = re.compile("is not authorized to perform: kms:|The ciphertext refers to a customer master key ")
"""S3's AccessDenied says in its text alone whether it is about the KMS key."""

CREDENTIAL_ERRORS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired"}
)
MOVED_STATUSES = frozenset({404, 412, 416})


def connect(keys: KeyStore | None, region: str | None, pool_size: int, request_payer: bool = False) -> "S3Client":
    """A client for one process. Without `keys` the SDK looks for credentials itself.

    With `request_payer` every request agrees to pay, as requester-pays buckets want
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html). The endpoint and
    everything else standard comes from the SDK's own variables (`AWS_ENDPOINT_URL_S3`, …).
    """
    import boto3  # noqa: PLC0415  its import takes long, and this runs once per process

    session = botocore.session.Session()
    if keys is not None:
        provider = session.get_component("credential_provider")
        provider.providers.insert(0, _KeyStoreProvider(keys))
    config = botocore.config.Config(
        connect_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        retries={"mode": "standard", "max_attempts": 2},
        max_pool_connections=pool_size,
        # We verify checksums ourselves, over resumed reads too; the SDK's check would be a second pass.
        response_checksum_validation="when_required",
    )
    boto3_session = boto3.Session(botocore_session=session, region_name=region)
    share_data(session)  # not before: each of boto3's sessions adds a search path to the loader that it finds
    client = boto3_session.client("s3", config=config)
    client.meta.events.register_first("before-parse.s3.*", keep_expires_as_text, unique_id="expires-as-text")
    if request_payer:
        client.meta.events.register("before-parameter-build.s3", _agree_to_pay)
    return client


def _agree_to_pay(params: dict[str, Any], model: Any, **_: object) -> None:
    if "RequestPayer" in model.input_shape.members:
        params["RequestPayer"] = "requester"


class S3Source:
    """The port `Source` on one S3 client. In the buckets of `tag_filtered` tags decide what is replicated: there they
    are always read, and an object whose tags are denied is refused."""

    def __init__(
        self, client: "S3Client", keys: KeyStore | None = None, tag_filtered: Collection[str] = frozenset()
    ) -> None:
        self._client, self._keys, self._tag_filtered = client, keys, tag_filtered

    def stat(self, key: SourceKey) -> SourceObject | None:
        try:
            head = self._call(lambda: self._client.head_object(Bucket=key.bucket, Key=key.key, ChecksumMode="ENABLED"))
        except ClientError as error:
            if _status(error) in (400, 403, 404):
                return self._stat_by_get(key)
            _raise_translated(error)
        return self._with_tags(source_object(key, head), head.get("TagCount"))

    def _stat_by_get(self, key: SourceKey) -> SourceObject | None:
        """A HEAD's error has no body, so it does not tell a missing key from a missing bucket, nor a denied key from
        expired credentials. A GET's does."""
        try:
            response = self._call(
                lambda: self._client.get_object(Bucket=key.bucket, Key=key.key, ChecksumMode="ENABLED")
            )
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "NoSuchVersion"):
                return None
            _raise_translated(error)
        response["Body"].close()
        return self._with_tags(source_object(key, response), response.get("TagCount"))

    def _with_tags(self, source: SourceObject, count: int | None) -> SourceObject:
        """Asks for the tags where there are any. S3 tells their number only to those who may read them
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html), so without it a filter has to ask."""
        required = source.key.bucket in self._tag_filtered
        if not count and not required:
            return source
        pin: dict[str, Any] = {} if source.version_id is None else {"VersionId": source.version_id}
        try:
            answer = self._call(
                lambda: self._client.get_object_tagging(Bucket=source.key.bucket, Key=source.key.key, **pin)
            )
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "NoSuchVersion", "MethodNotAllowed"):
                raise Transient(Reason.SOURCE_UNAVAILABLE, "the object went while its tags were read") from error
            if _code(error) != "AccessDenied":
                _raise_translated(error)
            if required:
                permission = "s3:GetObjectTagging" if source.version_id is None else "s3:GetObjectVersionTagging"
                raise Permanent(
                    Reason.SOURCE_ACCESS_DENIED, f"a rule filters by tags: {permission} is missing"
                ) from error
            return replace(source, not_held=(*source.not_held, NotHeld.TAGS))
        return replace(source, tags={tag["Key"]: tag["Value"] for tag in answer["TagSet"]})

    @contextmanager
    def open(self, source: SourceObject, offset: int = 0) -> Iterator[Body]:
        pin: dict[str, Any] = {"IfMatch": f'"{source.etag}"'}
        if source.version_id is not None:
            pin["VersionId"] = source.version_id
        if offset:
            pin["Range"] = f"bytes={offset}-"
        try:
            response = self._call(lambda: self._client.get_object(Bucket=source.key.bucket, Key=source.key.key, **pin))
        except ClientError as error:
            if _status(error) in MOVED_STATUSES and _code(error) != "NoSuchBucket":
                raise SourceMoved from error
            _raise_translated(error)
        body = response["Body"]
        try:
            if not is_pinned(response, source):
                raise SourceMoved
            yield _S3Body(body, response["ContentLength"], source.size - offset)
        finally:
            body.close()

    def check(self, bucket: str) -> None:
        try:
            self._call(lambda: self._client.list_objects_v2(Bucket=bucket, MaxKeys=1))
        except ClientError as error:
            _raise_translated(error)

    def _call(self, request: Callable[[], T]) -> T:
        """Makes the request, and once more with renewed keys where S3 rejects the ones in use."""
        keys = self._keys.current() if self._keys else None
        try:
            return _translated(request)
        except ClientError as error:
            if _code(error) not in CREDENTIAL_ERRORS or self._keys is None or keys is None:
                raise
            if not self._keys.renew(keys):
                raise
        return _translated(request)


class _S3Body:
    """Counts the bytes: a dropped connection must not look like the end."""

    def __init__(self, body: StreamingBody, announced: int, expected: int) -> None:
        self._body, self._left = body, expected
        if announced != expected:
            raise Transient(Reason.SOURCE_TRUNCATED, f"S3 announces {announced} of {expected} bytes")

    def readinto(self, buffer: memoryview) -> int:
        if not self._left:
            return 0
        try:
            count: int = self._body.readinto(buffer[: min(self._left, READ_SIZE)])  # type: ignore[arg-type]
        except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(Reason.SOURCE_UNAVAILABLE, "the connection broke while reading") from error
        if not count:
            raise Transient(Reason.SOURCE_TRUNCATED, f"{self._left} bytes are missing")
        self._left -= count
        return count


class _KeyStoreProvider(botocore.credentials.CredentialProvider):
    """First in the SDK's credential chain."""

    METHOD = "replicator-key-store"

    def __init__(self, keys: KeyStore) -> None:
        super().__init__()
        self._keys = keys

    def load(self) -> "_StoredCredentials":
        return _StoredCredentials(self._keys)


class _StoredCredentials(botocore.credentials.Credentials):
    """Asks the store anew for each request that is signed, so that a rotation needs no new client."""

    def __init__(self, keys: KeyStore) -> None:
        super().__init__(access_key="", secret_key="", method=_KeyStoreProvider.METHOD)
        self._keys = keys

    def get_frozen_credentials(self) -> botocore.credentials.ReadOnlyCredentials:
        keys: AwsKeys = self._keys.current()
        return botocore.credentials.ReadOnlyCredentials(keys.access_key_id, keys.secret_access_key, keys.session_token)


def _translated(request: Callable[[], T]) -> T:
    """Translates all errors but those that S3 itself answered."""
    try:
        return request()
    except (NoCredentialsError, PartialCredentialsError, CredentialRetrievalError) as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the AWS SDK finds no usable credentials") from error
    except (BotoCoreError, urllib3.exceptions.HTTPError, OSError) as error:
        raise Transient(Reason.SOURCE_UNAVAILABLE, type(error).__name__) from error


def _raise_translated(error: ClientError) -> NoReturn:
    code, status = _code(error), _status(error)
    if code == "NoSuchBucket":
        raise Permanent(Reason.SOURCE_BUCKET_NOT_FOUND) from error
    if code == "InvalidObjectState":
        raise Permanent(Reason.SOURCE_ARCHIVED) from error
    if code in CREDENTIAL_ERRORS:
        raise Transient(Reason.SOURCE_CREDENTIALS_REJECTED, code) from error
    if code.startswith("KMS."):
        if code.removeprefix("KMS.") in KMS_TRANSIENT:
            raise Transient(Reason.SOURCE_UNAVAILABLE, code) from error
        raise Permanent(Reason.SOURCE_KMS_DENIED, code) from error
    # S3 answers a skewed clock with a 403.
    if status == 429 or status >= 500 or code in ("SlowDown", "RequestTimeout", "RequestTimeTooSkewed"):
        raise Transient(Reason.SOURCE_UNAVAILABLE, f"status {status}") from error
    if code == "AccessDenied" and KMS_DENIED.search(str(error.response["Error"].get("Message", ""))):
        raise Permanent(Reason.SOURCE_KMS_DENIED, code) from error
    if status in (401, 403):
        raise Permanent(Reason.SOURCE_ACCESS_DENIED, f"status {status}") from error
    raise Permanent(Reason.SOURCE_REFUSED, f"status {status}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
