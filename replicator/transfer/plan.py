"""How an object's bytes are moved: one pure choice, by its size and checksum, the rule, the bucket and the budget."""

from dataclasses import dataclass
from enum import StrEnum

from replicator.crc import is_combinable
from replicator.model import BucketFacts, Checksum, CompositeChecksum
from replicator.rules import Parts
from replicator.transfer.checksums import name_of

MIB = 1024**2

MANY_PARTS = 4096
"""An object of more parts than this gets larger ones, so that listing and composing them stays quick."""

MOST_PARTS_AT_ONCE = 64
"""Threads for parts in one process, whatever the budget."""

PARTS_IN_BUDGET, FEWEST_IN_BUDGET = 16, 4
"""Parts that the memory budget holds at once: usually, and at least, where an object has so many that they grow."""

STREAM_RATE = 32 * MIB
"""Bytes per second that a stream is trusted to bring (one connection with a window of 4 MiB over 125 ms)."""

STANDARD = "STANDARD"
"""The one storage class whose objects may be deleted at once without a fee for early deletion
(https://cloud.google.com/storage/pricing#early-delete)."""


class Path(StrEnum):
    """How an object's bytes are moved."""

    WHOLE = "whole"
    STREAM = "stream"
    PARTS = "parts"


class PathReason(StrEnum):
    """What decided the path. A code is stable: answers, logs and documents use it."""

    SIZE = "size"
    RULE = "rule"
    STORAGE_CLASS = "storage_class"
    RETENTION = "retention"
    VERSIONING = "versioning"
    BUCKET_UNKNOWN = "bucket_unknown"
    CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes, in bytes, that decide between paths and parts.

    Up to `whole_max` an object is copied whole: one GET into memory, one insert. From `parts_min` on it is copied in
    parts; below, there would be few of them, and a stream that begins again loses little. A part has `part` bytes, or
    fewer where the memory budget would not hold `PARTS_IN_BUDGET` of them: the larger they are, the fewer requests are
    made, and the more there are at once, the more a distant side brings. An object of more than `MANY_PARTS` such parts
    gets larger ones, up to `largest_part`.
    """

    whole_max: int = 8 * MIB
    parts_min: int = 64 * MIB
    part: int = 8 * MIB
    largest_part: int = 32 * MIB


USUAL = Sizes()


@dataclass(frozen=True, slots=True)
class Plan:
    """How one object is copied. `check` is what its bytes are compared with beside Cloud Storage's own CRC32C.

    On path `parts`, `part_size` is the bytes in each part but the last.
    """

    path: Path
    reason: PathReason
    check: Checksum | CompositeChecksum | None
    part_size: int = 0

    @property
    def checked(self) -> str:
        """What a receipt calls the check."""
        return name_of(self.check)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a choice depends on beside the object itself.

    `storage_class` is what the rule asks for, if it does; `bucket` is `None` where we may not look at it. `budget` is
    in bytes, `patience` the seconds that one request has for all its work.
    """

    sizes: Sizes
    parts: Parts
    storage_class: str | None
    bucket: BucketFacts | None
    budget: int
    patience: float


def choose(size: int, checksum: Checksum | CompositeChecksum | None, given: Circumstances) -> Plan:
    """The plan for an object of `size` bytes, of which S3 stored `checksum`."""
    if size <= given.sizes.whole_max:
        return Plan(Path.WHOLE, PathReason.SIZE, checksum)
    part_size = _part_size(size, checksum, given)
    if reason := _why_not_in_parts(size, checksum, part_size, given):
        return Plan(Path.STREAM, reason, checksum)
    check = checksum if _is_checked_by(checksum, part_size) else None
    return Plan(Path.PARTS, PathReason.SIZE, check, part_size)


def _why_not_in_parts(
    size: int, checksum: Checksum | CompositeChecksum | None, part_size: int, given: Circumstances
) -> PathReason | None:
    """Parts are temporary objects. What speaks against them only because they cost more, or show less, gives way where
    a stream could not be finished."""
    if size < given.sizes.parts_min:
        return PathReason.SIZE
    if given.parts is Parts.NEVER:
        return PathReason.RULE
    if given.bucket is None:
        return PathReason.BUCKET_UNKNOWN
    if (given.storage_class or given.bucket.storage_class) != STANDARD:
        return PathReason.STORAGE_CLASS
    if given.bucket.retains:
        return PathReason.RETENTION
    if size > STREAM_RATE * given.patience:
        return None
    if given.bucket.versioning:
        return PathReason.VERSIONING
    return None if _is_checked_by(checksum, part_size) else PathReason.CHECKSUM


def _part_size(size: int, checksum: Checksum | CompositeChecksum | None, given: Circumstances) -> int:
    largest = min(given.sizes.largest_part, given.budget // FEWEST_IN_BUDGET)
    part_size = min(given.sizes.part, given.budget // PARTS_IN_BUDGET)
    while part_size * MANY_PARTS < size and part_size * 2 <= largest:
        part_size *= 2
    if isinstance(checksum, CompositeChecksum) and checksum.part_size <= given.budget // FEWEST_IN_BUDGET:
        return max(1, part_size // checksum.part_size) * checksum.part_size
    return part_size


def _is_checked_by(checksum: Checksum | CompositeChecksum | None, part_size: int) -> bool:
    """Whether parts, which come in any order, can be compared with the checksum."""
    if isinstance(checksum, CompositeChecksum):
        return part_size % checksum.part_size == 0
    return checksum is None or is_combinable(checksum.algorithm)


def parts_at_once(budget: int, sizes: Sizes = USUAL) -> int:
    """How many parts of the usual size a budget of so many bytes has room for."""
    return min(MOST_PARTS_AT_ONCE, max(PARTS_IN_BUDGET, budget // sizes.part))
