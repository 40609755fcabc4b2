"""Whether a destination object is in sync, and the receipt that says so."""

from dataclasses import dataclass

from replicator.errors import Permanent
from replicator.model import DestinationName, DestinationObject
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
