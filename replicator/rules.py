"""Pure: which source key goes where, and how."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from replicator.errors import Permanent
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason

MAX_NAME_BYTES = 1024
"""Longest object name in Cloud Storage, in UTF-8 bytes (https://cloud.google.com/storage/docs/objects#naming)."""

RESERVED_PREFIX = ".replicator/"
"""Destination names under it belong to the replicator itself (temporary parts of large objects)."""


class Deletes(StrEnum):
    """What happens to a replica whose source object is gone."""

    IGNORE = "ignore"
    PROPAGATE = "propagate"


class Foreign(StrEnum):
    """What happens to a different destination object that has no receipt of ours."""

    OVERWRITE = "overwrite"
    KEEP = "keep"


@dataclass(frozen=True, slots=True)
class Rule:
    """Replicates every object of some source buckets to one destination bucket, under the same name."""

    id: str
    source_buckets: frozenset[str]
    destination_bucket: str
    deletes: Deletes = Deletes.IGNORE
    foreign: Foreign = Foreign.OVERWRITE

    def matches(self, source: SourceKey) -> bool:
        return source.bucket in self.source_buckets

    def destination(self, source: SourceKey) -> DestinationName:
        """Where `source` goes. Raises `Permanent(destination_name_invalid)` when Cloud Storage cannot hold it there."""
        if problem := _problem_with_name(source.key):
            raise Permanent(Reason.DESTINATION_NAME_INVALID, problem)
        return DestinationName(self.destination_bucket, source.key)


def rule_for(rules: Iterable[Rule], source: SourceKey) -> Rule | None:
    """The rule that replicates this object, or `None`: then nothing about it may be read or written."""
    return next((rule for rule in rules if rule.matches(source)), None)


def _problem_with_name(name: str) -> str | None:
    """Cloud Storage's naming rules (https://cloud.google.com/storage/docs/objects#naming), in words."""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "the name is not valid Unicode"
    if not 1 <= len(encoded) <= MAX_NAME_BYTES:
        return f"a name has 1 to {MAX_NAME_BYTES} bytes of UTF-8; this one has {len(encoded)}"
    if "\r" in name or "\n" in name:
        return "a name cannot contain a carriage return or a line feed"
    if name in (".", ".."):
        return "a name cannot be '.' or '..'"
    if name.startswith(".well-known/acme-challenge/"):
        return "a name cannot begin with '.well-known/acme-challenge/'"
    if name.startswith(RESERVED_PREFIX):
        return f"names under '{RESERVED_PREFIX}' belong to the replicator"
    return None
