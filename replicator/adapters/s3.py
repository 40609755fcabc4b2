"""Reads S3 with boto3, of which no exception leaves the adapter."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import botocore.config
import botocore.session
from botocore.exceptions import ClientError

from replicator.adapters.aws_data import share_data
from replicator.adapters.s3_body import ArchivedBody, S3Body
from replicator.adapters.s3_credentials import sign_with
from replicator.adapters.s3_errors import (
    CREDENTIAL_ERRORS,
    UNCLEAR,
    code_of,
    raise_translated,
    raise_translated_of_pinned,
    status_of,
    translated,
)
from replicator.adapters.s3_object import (
    UNREADABLE,
    Headers,
    headers_of,
    is_pinned,
    keep_expires_as_text,
    not_s3,
    source_object,
    tag_count,
)
from replicator.adapters.s3_parts import PartsChecksums
from replicator.adapters.s3_requests import Answer, LeanRequests
from replicator.errors import Permanent, SourceMoved, Transient
from replicator.model import Checksum, CompositeChecksum, NotHeld, SourceKey, SourceObject
from replicator.ports import Body, KeyStore
from replicator.reasons import Reason

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

CONNECT_TIMEOUT = 5
READ_TIMEOUT = 20
"""Seconds without a byte after which a read counts as broken, to be resumed."""

ABSENT = ("NoSuchKey", "NoSuchVersion")


def connect(keys: KeyStore | None, region: str | None, pool_size: int, request_payer: bool = False) -> "S3Client":
    """A client for one process. Without `keys` the SDK looks for credentials itself.

    With `request_payer` every request agrees to pay, as requester-pays buckets want
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/ObjectsinRequesterPaysBuckets.html). The endpoint and
    everything else standard comes from the SDK's own variables (`AWS_ENDPOINT_URL_S3`, …).
    """
    import boto3  # noqa: PLC0415  its import takes long, and this runs once per process

    session = botocore.session.Session()
    if keys is not None:
        sign_with(session, keys)
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
        self._lean = LeanRequests(client)
        self._parts = PartsChecksums(client, self._call)

    def stat(self, key: SourceKey) -> SourceObject | None:
        headers = self._head(key)
        return self._stat_by_get(key) if headers is None else self._state(key, headers)

    @contextmanager
    def read(self, key: SourceKey) -> Iterator[tuple[SourceObject, Body] | None]:
        archived, answer = None, None
        try:
            answer = self._get(key, ChecksumMode="ENABLED")
        except ClientError as error:
            archived = self._without_bytes(key, error)
        if answer is None:
            yield (archived, ArchivedBody()) if archived else None
            return
        with closing(answer.stream):
            source = self._state(key, answer.headers)
            yield source, S3Body(answer.stream, answer.headers, source.size)

    @contextmanager
    def open(self, source: SourceObject, offset: int = 0, length: int | None = None) -> Iterator[Body]:
        expected = source.size - offset if length is None else length
        part = None if expected == source.size else f"{offset}-{offset + expected - 1}"
        conditions = _version(source) | {"IfMatch": f'"{source.etag}"'} | ({"Range": f"bytes={part}"} if part else {})
        try:
            answer = self._get(source.key, **conditions)
        except ClientError as error:
            raise_translated_of_pinned(error)
        with closing(answer.stream):
            if not is_pinned(answer.headers, source):
                raise SourceMoved
            if part and answer.headers.get("content-range") != f"bytes {part}/{source.size}":
                raise Transient(Reason.SOURCE_TRUNCATED, "S3 announces another range than it was asked for")
            yield S3Body(answer.stream, answer.headers, expected)

    def checksum(self, source: SourceObject) -> Checksum | CompositeChecksum | None:
        return source.checksum or self._parts.checksum(source)

    def check(self, bucket: str) -> None:
        try:
            self._call(lambda: self._client.list_objects_v2(Bucket=bucket, MaxKeys=1))
        except ClientError as error:
            raise_translated(error)

    def _head(self, key: SourceKey) -> Headers | None:
        """`None` where S3 refuses in a way that only the answer to a GET explains."""
        answer = self._lean.send("HEAD", key, ChecksumMode="ENABLED")
        if answer is not None:
            answer.stream.close()
            if answer.status == 200:
                return answer.headers
            if answer.status in UNCLEAR:
                return None
        try:
            return headers_of(
                self._call(lambda: self._client.head_object(Bucket=key.bucket, Key=key.key, ChecksumMode="ENABLED"))
            )
        except ClientError as error:
            if status_of(error) in UNCLEAR:
                return None
            raise_translated(error)

    def _stat_by_get(self, key: SourceKey) -> SourceObject | None:
        """A HEAD's error has no body, so it does not tell a missing key from a missing bucket, nor a denied key from
        expired credentials. A GET's does."""
        try:
            answer = self._get_by_sdk(key, ChecksumMode="ENABLED")
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise_translated(error)
        answer.stream.close()
        return self._state(key, answer.headers)

    def _without_bytes(self, key: SourceKey, error: ClientError) -> SourceObject | None:
        """What there is, if anything, where a GET got `error`: an archived object has a state, which a HEAD tells."""
        if code_of(error) in ABSENT:
            return None
        if code_of(error) == "InvalidObjectState":
            return self.stat(key)
        raise_translated(error)

    def _get(self, key: SourceKey, **parameters: str) -> Answer:
        answer = self._lean.send("GET", key, **parameters)
        if answer is not None:
            if answer.status in (200, 206):
                return answer
            answer.stream.close()
        return self._get_by_sdk(key, **parameters)

    def _get_by_sdk(self, key: SourceKey, **parameters: str) -> Answer:
        arguments: dict[str, Any] = {"Bucket": key.bucket, "Key": key.key, **parameters}
        response = self._call(lambda: self._client.get_object(**arguments))
        return Answer(200, headers_of(response), response["Body"])  # type: ignore[arg-type]

    def _state(self, key: SourceKey, headers: Headers) -> SourceObject:
        """Asks for the tags where there are any. S3 tells their number only to those who may read them
        (https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html), so without it a filter has to ask."""
        source = source_object(key, headers)
        required = key.bucket in self._tag_filtered
        if not tag_count(headers) and not required:
            return source
        try:
            answer = self._call(
                lambda: self._client.get_object_tagging(Bucket=key.bucket, Key=key.key, **_version(source))
            )
        except ClientError as error:
            if code_of(error) in (*ABSENT, "MethodNotAllowed"):
                raise Transient(Reason.SOURCE_UNAVAILABLE, "the object went while its tags were read") from error
            if code_of(error) != "AccessDenied":
                raise_translated(error)
            if required:
                permission = "s3:GetObjectTagging" if source.version_id is None else "s3:GetObjectVersionTagging"
                raise Permanent(
                    Reason.SOURCE_ACCESS_DENIED, f"a rule filters by tags: {permission} is missing"
                ) from error
            return replace(source, not_held=(*source.not_held, NotHeld.TAGS))
        try:
            return replace(source, tags={tag["Key"]: tag["Value"] for tag in answer["TagSet"]})
        except UNREADABLE as error:
            raise not_s3() from error

    def _call(self, request: Callable[[], T]) -> T:
        """Makes the request, and once more with renewed keys where S3 rejects the ones in use."""
        keys = self._keys.current() if self._keys else None
        try:
            return translated(request)
        except ClientError as error:
            if code_of(error) not in CREDENTIAL_ERRORS or self._keys is None or keys is None:
                raise
            if not self._keys.renew(keys):
                raise
        return translated(request)


def _version(source: SourceObject) -> dict[str, Any]:
    return {} if source.version_id is None else {"VersionId": source.version_id}
