"""What of a source object goes where: the one place where S3's properties become Cloud Storage's (docs/fidelity.md)."""

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import quote, urlencode

from replicator.errors import Permanent
from replicator.model import Attributes, NotHeld, Placement, SourceObject
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, encode, receipt_of

EXPIRES_KEY = "s3-expires"
WEBSITE_REDIRECT_KEY = "s3-website-redirect-location"
TAGS_KEY = "s3-tags"
"""Custom metadata that holds what has no property of its own in Cloud Storage."""

OUR_KEYS = frozenset({EXPIRES_KEY, METADATA_KEY, TAGS_KEY, WEBSITE_REDIRECT_KEY})
"""A source object's own user metadata of these names is not copied: nobody could tell whose it is."""

MAX_CUSTOM_METADATA = 8 * 1024
MAX_NAME = 1024
MAX_VALUE = 4 * 1024
"""Bytes in UTF-8 of all custom metadata of an object, of one name and of one value
(https://cloud.google.com/storage/quotas#objects,
https://docs.cloud.google.com/storage/docs/reference/rpc/google.storage.v1, ServiceConstants)."""


def attributes_of(source: SourceObject, placement: Placement, checked: str | None = None) -> Attributes:
    """All that is written beside the bytes of `source`.

    `checked` is the check that the bytes have passed, if it is not that of the source's own checksum. Raises
    `Permanent(destination_name_invalid)` for a key whose receipt has more than `MAX_VALUE` bytes.
    """
    metadata, _ = _custom_metadata(source)
    receipt = receipt_of(source)
    if checked is not None:
        receipt = replace(receipt, checked=checked)
    return Attributes(source.headers, metadata, source.last_modified, receipt, placement)


def not_held(source: SourceObject) -> tuple[NotHeld, ...]:
    """What of `source` its replica does not hold, or not all of it. Raises as `attributes_of`."""
    _, dropped = _custom_metadata(source)
    return tuple(sorted({*source.not_held, *dropped}))


def _custom_metadata(source: SourceObject) -> tuple[dict[str, str], set[NotHeld]]:
    """What has room beside the receipt, in the order of `_wanted`, and of which properties something has none."""
    held: dict[str, str] = {}
    dropped: set[NotHeld] = set()
    receipt_size = _size(encode(receipt_of(source)))
    if receipt_size > MAX_VALUE:
        detail = f"its receipt would have {receipt_size} bytes, of at most {MAX_VALUE}: too many control characters"
        raise Permanent(Reason.DESTINATION_NAME_INVALID, detail)
    room = MAX_CUSTOM_METADATA - _size(METADATA_KEY) - receipt_size
    for what, name, value in _wanted(source):
        needed = _size(name) + _size(value)
        if 1 <= _size(name) <= MAX_NAME and _size(value) <= MAX_VALUE and needed <= room:
            held[name] = value
            room -= needed
        else:
            dropped.add(what)
    if OUR_KEYS & source.metadata.keys():
        dropped.add(NotHeld.USER_METADATA)
    return held, dropped


def _wanted(source: SourceObject) -> Iterator[tuple[NotHeld, str, str]]:
    """The most important first. All but the tags always fits: S3 itself allows 2 KiB of user metadata, and 2 KiB for
    headers, expiry and redirect together (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html)."""
    for name, value in sorted(source.metadata.items()):
        if name not in OUR_KEYS:
            yield NotHeld.USER_METADATA, name, value
    if source.expires:
        yield NotHeld.EXPIRES, EXPIRES_KEY, source.expires
    if source.website_redirect:
        yield NotHeld.WEBSITE_REDIRECT, WEBSITE_REDIRECT_KEY, source.website_redirect
    if source.tags:
        # As S3 takes them: `aws s3api put-object --tagging`.
        yield NotHeld.TAGS, TAGS_KEY, urlencode(sorted(source.tags.items()), quote_via=quote)


def _size(text: str) -> int:
    return len(text.encode())
