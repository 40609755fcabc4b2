"""Which names a bucket and an object may have."""

from __future__ import annotations

import re

from replicator.dev.cloud_storage.messages import invalid

_BUCKET = re.compile(r"[a-z0-9][a-z0-9_.-]{1,220}[a-z0-9]")


def check_bucket_name(name: object) -> str:
    """Raises ApiError (400). The rule also keeps a bucket's folder inside its root: no slash, no leading dot.

    https://cloud.google.com/storage/docs/buckets#naming
    """
    if not isinstance(name, str) or not _BUCKET.fullmatch(name) or ".." in name or max(map(len, name.split("."))) > 63:
        raise invalid(f"Invalid bucket name: {name!r}")
    return name


def check_object_name(name: object) -> str:
    """Raises ApiError (400). https://cloud.google.com/storage/docs/objects#naming"""
    if not isinstance(name, str) or not name:
        raise invalid("An object needs a name")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise invalid("An object's name must be valid Unicode") from error
    if size > 1024:
        raise invalid(f"An object's name may have 1024 bytes in UTF-8; this one has {size}")
    if "\r" in name or "\n" in name or name in {".", ".."} or name.startswith(".well-known/acme-challenge/"):
        raise invalid(f"Invalid object name: {name!r}")
    return name
