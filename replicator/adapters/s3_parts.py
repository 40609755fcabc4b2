"""What S3 knows of the parts that an object was uploaded in, and the checksum that can be made of it."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ClientError

from replicator.adapters.s3_errors import CREDENTIAL_ERRORS, UNCLEAR, code_of, raise_translated_of_pinned, status_of
from replicator.adapters.s3_object import UNREADABLE, headers_of, is_pinned, not_s3, parts_count
from replicator.crc import combined, is_combinable
from replicator.model import Checksum, CompositeChecksum, SourceObject

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

T = TypeVar("T")

MAX_PARTS = 10_000
"""Parts of one upload (https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html)."""

REFUSED = frozenset({400, 403, 405, 412, 416, 501})
"""Statuses where there is nothing to be learnt: S3's 403 means a missing permission, 412 that the object has moved,
which the copy will meet, too. Servers of S3's API that do not know a request, or take it to be about the part's own
ETag, answer with one of these as well."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of an upload; `digest` is that of its own checksum, where S3 keeps one."""

    size: int
    digest: bytes | None = None


class PartsChecksums:
    """Asks S3 about parts. `call` makes a request, and once more with renewed keys where S3 rejects the ones in use."""

    def __init__(self, client: "S3Client", call: Callable[[Callable[[], Any]], Any]) -> None:
        self._client, self._call = client, call

    def checksum(self, source: SourceObject) -> Checksum | CompositeChecksum | None:
        """The one over the whole object where the parts' CRCs make it, else the one over the parts' checksums, if those
        are of one size. `None` also where another state answers: what is read is pinned, and tells.

        Raises `SourceMoved` when the object is gone, and what any request raises.
        """
        try:
            return self._checksum(source)
        except UNREADABLE as error:
            raise not_s3() from error

    def _checksum(self, source: SourceObject) -> Checksum | CompositeChecksum | None:
        known, count = source.parts_checksum, parts_count(source)
        if known is None or not count or not source.size:
            return None
        if count == 1 and not is_combinable(known.algorithm):
            return CompositeChecksum(known.algorithm, known.digest, source.size)
        # S3 lists the parts only of uploads that brought checksums of their own
        # (https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributesParts.html).
        parts = None if known.algorithm == "MD5" else self._listed(source, known.algorithm)
        if parts and sum(part.size for part in parts) == source.size:
            if whole := _combined(known.algorithm, parts):
                return whole
            part_size = _uniform([part.size for part in parts])
        else:
            part_size = self._part_size(source, count)
        return CompositeChecksum(known.algorithm, known.digest, part_size) if part_size else None

    def _listed(self, source: SourceObject, algorithm: str) -> list[Part] | None:
        """All parts, in order; `None` where we may not ask, or S3 does not list them."""
        parts: list[Part] = []
        ask = partial(self._client.get_object_attributes, **_named(source), ObjectAttributes=["ETag", "ObjectParts"])
        while True:
            answer = self._asked(partial(ask, PartNumberMarker=len(parts)))
            if answer is None or "ETag" not in answer or "LastModified" not in answer:
                return None
            # This request takes no condition.
            if (answer["ETag"].strip('"'), answer["LastModified"]) != (source.etag, source.last_modified):
                return None
            page = answer.get("ObjectParts", {})
            found = [_part(part, algorithm) for part in page.get("Parts", ())]
            parts += found
            if not found or len(parts) > MAX_PARTS:
                return None
            if not page.get("IsTruncated"):
                return parts

    def _part_size(self, source: SourceObject, count: int) -> int | None:
        """The size of each part but the last, by the first and the last one; `None` where the sum is another."""
        first = self._size_of_part(source, 1, count)
        if first is None or count == 1:
            return first if first == source.size else None
        last = self._size_of_part(source, count, count)
        if last is None or last > first or first * (count - 1) + last != source.size:
            return None
        return first

    def _size_of_part(self, source: SourceObject, number: int, count: int) -> int | None:
        asked = {**_named(source), "IfMatch": f'"{source.etag}"', "PartNumber": number}
        answer = self._asked(partial(self._head_of_part, asked))
        if answer is None:
            return None
        size = int(answer["ContentLength"])
        if not is_pinned(headers_of(answer), source) or answer.get("PartsCount") != count:
            return None
        return size

    def _head_of_part(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Where S3 refuses a HEAD, only the answer to a GET tells keys that have expired from a permission that is
        missing: after the former the bytes can still be checked, with renewed keys."""
        try:
            return self._client.head_object(**asked)
        except ClientError as error:
            if status_of(error) not in UNCLEAR:
                raise
        answer = self._client.get_object(**asked)
        answer["Body"].close()
        return answer

    def _asked(self, request: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any] | None:
        """S3's answer, or `None` where it refuses to give this one."""
        try:
            answer: Mapping[str, Any] = self._call(request)
        except ClientError as error:
            if status_of(error) in REFUSED and code_of(error) not in CREDENTIAL_ERRORS:
                return None
            raise_translated_of_pinned(error)
        return answer


def _named(source: SourceObject) -> dict[str, Any]:
    version = {} if source.version_id is None else {"VersionId": source.version_id}
    return {"Bucket": source.key.bucket, "Key": source.key.key, **version}


def _part(answered: Mapping[str, Any], algorithm: str) -> Part:
    digest = answered.get(f"Checksum{algorithm}")
    return Part(answered["Size"], base64.b64decode(digest) if digest else None)


def _combined(algorithm: str, parts: Sequence[Part]) -> Checksum | None:
    ranges = [(part.digest, part.size) for part in parts if part.digest]
    if not is_combinable(algorithm) or len(ranges) < len(parts):
        return None
    return Checksum(algorithm, combined(algorithm, ranges))


def _uniform(sizes: Sequence[int]) -> int | None:
    """The size that all have but the last, which may have less."""
    same = all(one == next_one for one, next_one in pairwise(sizes[:-1]))
    return sizes[0] if same and sizes[-1] <= sizes[0] else None
