"""Receipts: made from a source state, stored with the destination object, compared with the next source state."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime

from replicator.model import Receipt, SourceKey, SourceObject

METADATA_KEY = "s3-replication-receipt"
"""The custom metadata key that holds the receipt. A source object's own user metadata of this name is not copied."""

UNVERIFIED = "none"


def receipt_of(source: SourceObject) -> Receipt:
    """The receipt for bytes that were read pinned to `source` and passed the check of its checksum."""
    return Receipt(
        source=source.key,
        etag=source.etag,
        version_id=source.version_id,
        last_modified=source.last_modified,
        size=source.size,
        metadata_digest=_metadata_digest(source),
        checked=source.checksum.algorithm if source.checksum else UNVERIFIED,
    )


def holds(receipt: Receipt, source: SourceObject) -> bool:
    """Whether the receipt names exactly this source state; which check was made then is no part of the state."""
    return receipt == replace(receipt_of(source), checked=receipt.checked)


def holds_bytes_of(receipt: Receipt, source: SourceObject) -> bool:
    """Whether the bytes are those of this source state, whatever its metadata: S3 keeps the ETag of equal content."""
    return (receipt.source, receipt.etag, receipt.size) == (source.key, source.etag, source.size)


def encode(receipt: Receipt) -> str:
    """The receipt as the value of one custom metadata entry.

    Every control character of the key takes six bytes, so it may be larger than Cloud Storage takes; that is for
    `fidelity` to refuse. Without any it has less than 4 KiB.
    """
    document = {
        "v": 1,
        "bucket": receipt.source.bucket,
        "key": receipt.source.key,
        "etag": receipt.etag,
        "version": receipt.version_id,
        "modified": receipt.last_modified.isoformat(),
        "size": receipt.size,
        "metadata": receipt.metadata_digest,
        "checked": receipt.checked,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def decode(metadata: Mapping[str, str]) -> Receipt | None:
    """The receipt in an object's custom metadata. `None` when there is none, or none that we could have written."""
    try:
        document = json.loads(metadata[METADATA_KEY])
        receipt = Receipt(
            source=SourceKey(document["bucket"], document["key"]),
            etag=document["etag"],
            version_id=document["version"],
            last_modified=datetime.fromisoformat(document["modified"]),
            size=document["size"],
            metadata_digest=document["metadata"],
            checked=document["checked"],
        )
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return receipt if encode(receipt) == metadata[METADATA_KEY] else None


def _metadata_digest(source: SourceObject) -> str:
    """Over all that `fidelity` copies beside the bytes. What an object does not have leaves its digest as it was before
    we knew of it: otherwise each new property would make every replica out of date."""
    content: list[object] = [asdict(source.headers), dict(source.metadata)]
    more = {"tags": dict(source.tags), "expires": source.expires, "redirect": source.website_redirect}
    if present := {name: value for name, value in more.items() if value}:
        content.append(present)
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
