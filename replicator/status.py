"""Whether a destination object is in sync, and the receipt that says so."""

from dataclasses import dataclass
from typing import Any

from replicator.errors import Permanent
from replicator.model import DestinationName, DestinationObject, Receipt
from replicator.ports import Destination, Source
from replicator.reasons import Reason
from replicator.receipt import holds, holds_bytes_of
from replicator.rules import RuleSet


@dataclass(frozen=True, slots=True)
class Status:
    """A destination object as it is now, and why it is in sync or not."""

    destination: DestinationObject
    reason: Reason

    @property
    def in_sync(self) -> bool:
        return self.reason is Reason.IN_SYNC


def status_of(name: DestinationName, destination_side: Destination, source_side: Source, rules: RuleSet) -> Status:
    """Compares the object's receipt with the source it names. Writes nothing.

    The source is asked only if a rule names its bucket. Raises `Permanent(destination_not_found)`.
    """
    found = destination_side.stat(name)
    if found is None:
        raise Permanent(Reason.DESTINATION_NOT_FOUND)
    if found.receipt is None:
        return Status(found, Reason.DESTINATION_FOREIGN)
    if found.receipt.source.bucket not in rules.source_buckets:
        return Status(found, Reason.BUCKET_NOT_IN_RULES)
    source = source_side.stat(found.receipt.source)
    if source is None:
        return Status(found, Reason.SOURCE_NOT_FOUND)
    if holds(found.receipt, source):
        return Status(found, Reason.IN_SYNC)
    return Status(found, Reason.METADATA_CHANGED if holds_bytes_of(found.receipt, source) else Reason.SOURCE_CHANGED)


def status_fields(status: Status) -> dict[str, Any]:
    """A status as answers show it."""
    return {
        "destination": str(status.destination.name),
        "in_sync": status.in_sync,
        "reason": str(status.reason),
        "detail": status.reason.explanation,
        **object_fields(status.destination),
    }


def object_fields(found: DestinationObject) -> dict[str, Any]:
    """A destination object as answers show it."""
    return {
        "generation": str(found.generation),
        "size": found.size,
        "receipt": receipt_fields(found.receipt) if found.receipt else None,
    }


def receipt_fields(receipt: Receipt) -> dict[str, Any]:
    """A receipt as answers show it."""
    return {
        "source": str(receipt.source),
        "etag": receipt.etag,
        "version_id": receipt.version_id,
        "last_modified": receipt.last_modified.isoformat(),
        "size": receipt.size,
        "checked": receipt.checked,
    }
