"""S3's answers about an object, to our values. Pure: it gets mappings as botocore makes them, and calls nothing."""

import base64
import re
from collections.abc import Iterator, Mapping, MutableMapping
from datetime import UTC
from typing import Any

from replicator.adapters.s3_text import content_encoding, header_text, metadata_text
from replicator.model import Checksum, ContentHeaders, NotHeld, SourceKey, SourceObject

COMPUTABLE_CHECKSUMS = ("CRC64NVME", "CRC32C", "CRC32", "SHA256", "SHA1")
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
MD5_ETAG = re.compile("[0-9a-f]{32}")


def source_object(key: SourceKey, head: Mapping[str, Any]) -> SourceObject:
    """The state in the answer to a HEAD or a GET of the whole object, but for its tags: those are not in it."""
    return SourceObject(
        key=key,
        etag=head["ETag"].strip('"'),
        version_id=_version_id(head),
        last_modified=head["LastModified"].astimezone(UTC),
        size=head["ContentLength"],
        headers=ContentHeaders(
            content_type=_text(head, "ContentType"),
            content_encoding=content_encoding(_text(head, "ContentEncoding")),
            content_disposition=_text(head, "ContentDisposition"),
            content_language=_text(head, "ContentLanguage"),
            cache_control=_text(head, "CacheControl"),
        ),
        # S3 keeps names in lower case; a header's case is a server's whim.
        metadata={name.lower(): metadata_text(value) for name, value in head.get("Metadata", {}).items()},
        checksum=_checksum(head),
        md5=_md5(head),
        storage_class=head.get("StorageClass", "STANDARD"),
        archived=_is_archived(head),
        expires=_text(head, "ExpiresString"),
        website_redirect=_text(head, "WebsiteRedirectLocation"),
        not_held=tuple(_not_held(head)),
    )


def is_pinned(response: Mapping[str, Any], source: SourceObject) -> bool:
    """IfMatch alone lets a change of metadata through: it keeps the ETag."""
    return (
        response["ETag"].strip('"') == source.etag
        and response["LastModified"].astimezone(UTC) == source.last_modified
        and _version_id(response) == source.version_id
    )


def keep_expires_as_text(
    response_dict: Mapping[str, MutableMapping[str, str]],
    customized_response_dict: MutableMapping[str, str],
    **_: object,
) -> None:
    """A botocore handler of `before-parse`: `Expires` may be any text. botocore would read it as a date, and where it
    is none write the header to the log."""
    if expires := response_dict["headers"].pop("Expires", None):
        customized_response_dict["ExpiresString"] = expires


def _text(head: Mapping[str, Any], name: str) -> str | None:
    value = head.get(name)
    return None if value is None else header_text(value)


def _version_id(head: Mapping[str, Any]) -> str | None:
    version_id = head.get("VersionId")
    return None if version_id == "null" else version_id


def _not_held(head: Mapping[str, Any]) -> Iterator[NotHeld]:
    """What this answer says that the object has, and that we cannot read or do not carry."""
    if "ObjectLockMode" in head or "ON" in (head.get("ObjectLockLegalHoldStatus"), head.get("ObjectLockEventHold")):
        yield NotHeld.OBJECT_LOCK
    if head.get("MissingMeta"):
        yield NotHeld.USER_METADATA


def _checksum(head: Mapping[str, Any]) -> Checksum | None:
    """The stored checksum over the whole object; else the ETag where it is an MD5.

    A multipart upload's checksum is one over the parts' checksums unless S3 says `FULL_OBJECT`
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html).
    """
    if head.get("ChecksumType", "COMPOSITE" if "-" in head["ETag"] else "FULL_OBJECT") == "FULL_OBJECT":
        for algorithm in COMPUTABLE_CHECKSUMS:
            if value := head.get(f"Checksum{algorithm}"):
                return Checksum(algorithm, base64.b64decode(value))
    md5 = _md5(head)
    return Checksum("MD5", md5) if md5 else None


def _md5(head: Mapping[str, Any]) -> bytes | None:
    """The ETag, where it is an MD5: of objects uploaded in one part and not encrypted with a key of the customer's
    (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html)."""
    etag = head["ETag"].strip('"')
    plain = head.get("ServerSideEncryption", "AES256") == "AES256" and "SSECustomerAlgorithm" not in head
    return bytes.fromhex(etag) if plain and MD5_ETAG.fullmatch(etag) else None


def _is_archived(head: Mapping[str, Any]) -> bool:
    archived = head.get("StorageClass") in ARCHIVE_CLASSES or "ArchiveStatus" in head
    return archived and 'ongoing-request="false"' not in head.get("Restore", "")
