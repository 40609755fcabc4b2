"""S3's answers about an object, to our values. Pure: it gets the headers of an answer, by their names in lower case."""

import base64
import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from replicator.adapters.s3_text import content_encoding, header_text, metadata_text
from replicator.errors import Transient
from replicator.model import Checksum, ContentHeaders, NotHeld, SourceKey, SourceObject
from replicator.reasons import Reason

Headers = Mapping[str, str]

UNREADABLE = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
"""What reading something else than S3's answer raises."""

COMPUTABLE_CHECKSUMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1")
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
METADATA_PREFIX = "x-amz-meta-"
MD5_ETAG = re.compile("[0-9a-f]{32}")
PARTS_ETAG = re.compile("([0-9a-f]{32})-([0-9]+)")


def source_object(key: SourceKey, headers: Headers) -> SourceObject:
    """The state in the answer to a HEAD or a GET of the whole object, but for its tags: those are not in it.

    Raises `Transient` where it is none, as from a proxy in between.
    """
    try:
        return _source_object(key, headers)
    except UNREADABLE:
        raise not_s3() from None


def not_s3() -> Transient:
    """For an answer that cannot be S3's."""
    return Transient(Reason.SOURCE_UNAVAILABLE, "the answer is none of S3's")


def _source_object(key: SourceKey, headers: Headers) -> SourceObject:
    checksum = _checksum(headers)
    return SourceObject(
        key=key,
        etag=_etag(headers),
        version_id=version_id(headers),
        last_modified=_last_modified(headers),
        size=int(headers["content-length"]),
        headers=ContentHeaders(
            content_type=_text(headers, "content-type"),
            content_encoding=content_encoding(_text(headers, "content-encoding")),
            content_disposition=_text(headers, "content-disposition"),
            content_language=_text(headers, "content-language"),
            cache_control=_text(headers, "cache-control"),
        ),
        metadata={
            name.removeprefix(METADATA_PREFIX): metadata_text(value)
            for name, value in headers.items()
            if name.startswith(METADATA_PREFIX)
        },
        checksum=checksum,
        parts_checksum=None if checksum else _parts_checksum(headers),
        md5=_md5(headers),
        storage_class=headers.get("x-amz-storage-class", "STANDARD"),
        archived=_is_archived(headers),
        expires=_text(headers, "expires"),
        website_redirect=_text(headers, "x-amz-website-redirect-location"),
        not_held=tuple(_not_held(headers)),
    )


def tag_count(headers: Headers) -> int:
    """How many tags the object has, as far as S3 says so. Raises `Transient` as `source_object`."""
    try:
        return int(headers.get("x-amz-tagging-count", 0))
    except UNREADABLE:
        raise not_s3() from None


def parts_count(source: SourceObject) -> int:
    """In how many parts the object was uploaded, as its ETag says; 0 where it does not."""
    match = PARTS_ETAG.fullmatch(source.etag)
    return int(match[2]) if match else 0


def is_pinned(headers: Headers, source: SourceObject) -> bool:
    """IfMatch alone lets a change of metadata through: it keeps the ETag. Raises `Transient` as `source_object`."""
    try:
        found = _etag(headers), _last_modified(headers), version_id(headers)
    except UNREADABLE:
        raise not_s3() from None
    return found == (source.etag, source.last_modified, source.version_id)


def headers_of(response: Mapping[str, Any]) -> Headers:
    """The headers of an answer that botocore read."""
    headers: dict[str, str] = response["ResponseMetadata"]["HTTPHeaders"]
    expires = response.get("ExpiresString")
    return {**headers, "expires": expires} if expires else headers


def keep_expires_as_text(
    response_dict: Mapping[str, MutableMapping[str, str]],
    customized_response_dict: MutableMapping[str, str],
    **_: object,
) -> None:
    """A botocore handler of `before-parse`: `Expires` may be any text. botocore would read it as a date, and where it
    is none write the header to the log."""
    if expires := response_dict["headers"].pop("Expires", None):
        customized_response_dict["ExpiresString"] = expires


def _text(headers: Headers, name: str) -> str | None:
    value = headers.get(name)
    return None if value is None else header_text(value)


def _etag(headers: Headers) -> str:
    return headers["etag"].strip('"')


def _last_modified(headers: Headers) -> datetime:
    time = parsedate_to_datetime(headers["last-modified"])
    # Without a zone it is in GMT all the same (RFC 9110), and never in ours.
    return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)


def version_id(headers: Headers) -> str | None:
    """`None` where the bucket keeps none, or kept none when the object was put."""
    found = headers.get("x-amz-version-id")
    return None if found == "null" else found


def _not_held(headers: Headers) -> Iterator[NotHeld]:
    """What this answer says that the object has, and that we cannot read or do not carry."""
    holds = headers.get("x-amz-object-lock-legal-hold"), headers.get("x-amz-object-lock-event-hold")
    if "x-amz-object-lock-mode" in headers or "ON" in holds:
        yield NotHeld.OBJECT_LOCK
    if int(headers.get("x-amz-missing-meta", 0)):
        yield NotHeld.USER_METADATA


def _checksum(headers: Headers) -> Checksum | None:
    """The stored checksum over the whole object; else the ETag where it is an MD5."""
    stored = None if _is_composite(headers) else _stored_checksum(headers)
    md5 = _md5(headers)
    return stored or (Checksum("MD5", md5) if md5 else None)


def _parts_checksum(headers: Headers) -> Checksum | None:
    """The stored checksum over the parts' checksums; else the ETag where it is an MD5 over the parts' MD5s."""
    stored = _stored_checksum(headers) if _is_composite(headers) else None
    etag = PARTS_ETAG.fullmatch(_etag(headers))
    return stored or (Checksum("MD5", bytes.fromhex(etag[1])) if etag and _has_md5_etag(headers) else None)


def _is_composite(headers: Headers) -> bool:
    """Whether a stored checksum covers checksums of parts: a multipart upload's does, unless S3 says `FULL_OBJECT`
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)."""
    return headers.get("x-amz-checksum-type", "COMPOSITE" if "-" in headers["etag"] else "FULL_OBJECT") != "FULL_OBJECT"


def _stored_checksum(headers: Headers) -> Checksum | None:
    """The first that we can compute. S3 writes the number of parts behind a composite one, some servers do not."""
    for algorithm in COMPUTABLE_CHECKSUMS:
        if value := headers.get(f"x-amz-checksum-{algorithm.lower()}"):
            return Checksum(algorithm, base64.b64decode(value.partition("-")[0]))
    return None


def _md5(headers: Headers) -> bytes | None:
    etag = _etag(headers)
    return bytes.fromhex(etag) if MD5_ETAG.fullmatch(etag) and _has_md5_etag(headers) else None


def _has_md5_etag(headers: Headers) -> bool:
    """Whether the ETag is made of MD5s: of objects that are not encrypted with a key of the customer's
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html)."""
    plain = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    return plain and "x-amz-server-side-encryption-customer-algorithm" not in headers


def _is_archived(headers: Headers) -> bool:
    archived = headers.get("x-amz-storage-class") in ARCHIVE_CLASSES or "x-amz-archive-status" in headers
    return archived and 'ongoing-request="false"' not in headers.get("x-amz-restore", "")
