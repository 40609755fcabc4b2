"""Reading untrusted JSON: what must be there is checked, what may be missing never gets in the way.

The errors say what is wrong and never repeat the input. They are raised `from None`, because the text of the errors
behind them does.
"""

import json
from base64 import b64decode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TypeGuard

from replicator.errors import Permanent
from replicator.model import MAX_KEY_BYTES
from replicator.reasons import Reason

JsonObject = dict[str, object]

MAX_TEXT_BYTES = MAX_KEY_BYTES
"""Which is generous for everything else that we read."""


def malformed(detail: str) -> Permanent:
    """The one error of this package, to be raised."""
    return Permanent(Reason.EVENT_MALFORMED, detail)


def decode_json(encoded: bytes | str) -> object:
    """A JSON document. Raises `Permanent(EVENT_MALFORMED)`, also for one that is nested too deeply to be read."""
    try:
        # `json` would guess UTF-16 and let lone surrogates pass, if it were given bytes.
        text = encoded if isinstance(encoded, str) else encoded.decode()
        # No number is ever used here, and as a float even one of a million digits is read, and quickly.
        document: object = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        raise malformed("not JSON in UTF-8, or nested too deeply") from None
    return document


def decode_base64(encoded: object) -> bytes:
    """The bytes of a string of standard base64. Raises `Permanent(EVENT_MALFORMED)`."""
    if not isinstance(encoded, str):
        raise malformed("the message has no data")
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        raise malformed("the message's data is not base64") from None


def text(value: object, name: str) -> str:
    """A field that must be there. Raises `Permanent(EVENT_MALFORMED)`, with the name of the field."""
    if not _is_text(value):
        raise malformed(f"{name} is not a string of 1 to {MAX_TEXT_BYTES} bytes of UTF-8")
    return value


def optional_text(value: object) -> str | None:
    """A field that only people read: `None` if it is missing or unusable."""
    return value if _is_text(value) else None


def version_id(value: object) -> str | None:
    """As `optional_text`, and `None` for S3's literal "null" version, as in `SourceObject`."""
    version = optional_text(value)
    return None if version == "null" else version


def moment(value: object) -> datetime | None:
    """An ISO 8601 time as UTC: `None` if it is missing, unreadable or without an offset."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        return time.astimezone(UTC) if time and time.tzinfo else None
    except (ValueError, OverflowError):
        return None


def present(fields: Mapping[str, object]) -> JsonObject:
    """The fields that have a value: an event leaves out what there is not."""
    return {name: value for name, value in fields.items() if value is not None}


def _is_text(value: object) -> TypeGuard[str]:
    try:
        return isinstance(value, str) and 0 < len(value.encode()) <= MAX_TEXT_BYTES
    except UnicodeEncodeError:  # a lone surrogate, which JSON can express and UTF-8 cannot
        return False
