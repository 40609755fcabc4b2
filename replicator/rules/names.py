"""What Cloud Storage can hold an object under."""

from replicator.errors import Permanent
from replicator.model import DestinationName
from replicator.reasons import Reason

MAX_NAME_BYTES = 1024
"""Longest object name in Cloud Storage, in UTF-8 bytes (https://cloud.google.com/storage/docs/objects#naming)."""

RESERVED_PREFIX = ".replicator/"
"""Destination names under it belong to the replicator itself (temporary parts of large objects)."""


def require_valid_name(destination: DestinationName) -> None:
    """Raises `Permanent(destination_name_invalid)` when Cloud Storage cannot hold an object of this name."""
    if problem := problem_with_name(destination.name):
        raise Permanent(Reason.DESTINATION_NAME_INVALID, problem)


def problem_with_name(name: str) -> str | None:
    """What Cloud Storage has against a name (https://cloud.google.com/storage/docs/objects#naming), in words."""
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
