"""What the two buckets hold, read through their own interfaces; and what a person may do to the source."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from google.cloud.storage import Blob, Client

from replicator.model import Receipt
from replicator.receipt import decode

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SHOWN = 500
"""More objects of one bucket are not listed: this is a page, not a browser for buckets."""

TIMEOUT = 5


@dataclass(frozen=True, slots=True)
class SourceEntry:
    """A source object as a listing shows it."""

    key: str
    size: int
    etag: str
    last_modified: datetime


class Buckets:
    """The source and its replica. Raises what the two clients raise."""

    def __init__(self, s3: "S3Client", source: str, storage: Client, replica: str) -> None:
        self._s3, self._source = s3, source
        self._storage, self._replica = storage, replica

    def state(self) -> dict[str, Any]:
        """Both listings. The replica's first: what it says is judged by a source that is at least as new."""
        blobs = list(islice(self._storage.list_blobs(self._replica, timeout=TIMEOUT, retry=None), SHOWN + 1))
        entries = self._entries()
        known = {entry.key: entry for entry in entries}
        return {
            "source": {
                "bucket": self._source,
                "more": len(entries) > SHOWN,
                "objects": [_source_row(entry) for entry in entries[:SHOWN]],
            },
            "replica": {
                "bucket": self._replica,
                "more": len(blobs) > SHOWN,
                "objects": [_replica_row(self._source, blob, known) for blob in blobs[:SHOWN]],
            },
        }

    def put(self, key: str, body: IO[bytes], content_type: str) -> None:
        self._s3.upload_fileobj(body, self._source, key, ExtraArgs={"ContentType": content_type})

    def delete(self, key: str) -> None:
        self._s3.delete_object(Bucket=self._source, Key=key)

    def _entries(self) -> list[SourceEntry]:
        found = self._s3.list_objects_v2(Bucket=self._source, MaxKeys=SHOWN + 1).get("Contents", [])
        return [SourceEntry(e["Key"], e["Size"], e["ETag"].strip('"'), e["LastModified"]) for e in found]


def _source_row(entry: SourceEntry) -> dict[str, Any]:
    return {"key": entry.key, "size": entry.size, "last_modified": entry.last_modified.isoformat()}


def _replica_row(source: str, blob: Blob, entries: Mapping[str, SourceEntry]) -> dict[str, Any]:
    receipt = decode(blob.metadata or {})
    ours = receipt is not None and receipt.source.bucket == source
    key = receipt.source.key if receipt and ours else blob.name
    return {
        "name": blob.name,
        "size": blob.size,
        "generation": str(blob.generation),  # JavaScript's numbers are too short
        "key": key,
        "state": standing(receipt, entries.get(key)),
    }


def standing(receipt: Receipt | None, entry: SourceEntry | None) -> str:
    """How a replica stands to its source, by its receipt and as far as a listing can tell.

    A listing has no metadata, but changing that changes the time, of which receipts have whole seconds. Changed tags
    change neither, so that a replica with the tags of before is not told from one in sync.
    """
    if receipt is None:
        return "no_receipt"
    if entry is None:
        return "source_gone"
    held = (receipt.etag, receipt.size, receipt.last_modified.replace(microsecond=0))
    return "in_sync" if held == (entry.etag, entry.size, entry.last_modified.replace(microsecond=0)) else "behind"
