"""What the fields of a rule accept. A refusal says what is wanted, never what was given."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from replicator.model import MAX_KEY_BYTES
from replicator.rules.glob import Glob

SECRET_RESOURCE = r"^projects/[^/]+/secrets/[^/]+(/versions/[^/]+)?$"  # noqa: S105  the form of a name
ROLE_ARN = r"^arn:[^:]+:iam::\d{12}:role/.+$"

MAX_ID_LENGTH = 255
"""As of S3's own rules (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html)."""

_UNITS = {"": 1, "B": 1} | {
    f"{prefix}{unit}": int(base**exponent)
    for unit, base in (("B", 1000), ("iB", 1024))
    for exponent, prefix in enumerate("KMGT", start=1)
}


def matching(pattern: str, wanted: str) -> AfterValidator:
    """Text of this form, which `wanted` describes."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"is not {wanted}")
        return value

    return AfterValidator(check)


def _key_part(value: str) -> str:
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise ValueError("is not valid Unicode") from None
    if size > MAX_KEY_BYTES:
        raise ValueError(f"is longer than any key, {MAX_KEY_BYTES} bytes")
    return value


def _id(value: str) -> str:
    if not (value and len(value) <= MAX_ID_LENGTH and value.isprintable()):
        raise ValueError(f"is not 1 to {MAX_ID_LENGTH} printable characters")
    return value


def _integer(value: object) -> int:
    """YAML's numbers are text here; JSON's are numbers, and its `true` is none."""
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise ValueError("is not a whole number")
    return int(text)


def _size(value: object) -> int:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else ""
    found = re.fullmatch(r"([0-9]{1,18}) ?([A-Za-z]*)", text)
    if found is None or found[2] not in _UNITS:
        raise ValueError("is not a size: a whole number of bytes, or of KB, MB, GB, TB (1000) or KiB, MiB, GiB, TiB")
    return int(found[1]) * _UNITS[found[2]]


def _boolean(value: object) -> bool:
    if value is True or value == "true":
        return True
    if value is False or value == "false":
        return False
    raise ValueError("is neither true nor false")


def _glob(value: str) -> str:
    Glob(value)
    return value


RuleId = Annotated[str, AfterValidator(_id)]
Integer = Annotated[int, BeforeValidator(_integer)]
Size = Annotated[int, BeforeValidator(_size)]
"""Bytes."""

Boolean = Annotated[bool, BeforeValidator(_boolean)]
KeyPart = Annotated[str, AfterValidator(_key_part)]
"""A prefix or a suffix."""

GlobText = Annotated[KeyPart, AfterValidator(_glob)]

# Old buckets in us-east-1 may have long names with upper case and underscores.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
SourceBucket = Annotated[str, matching("[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]", "the bare name of an S3 bucket")]

# https://cloud.google.com/storage/docs/buckets#naming
DestinationBucket = Annotated[
    str, matching("[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", "the bare name of a Cloud Storage bucket")
]

Secret = Annotated[str, matching(SECRET_RESOURCE, "a secret's resource, projects/…/secrets/…, maybe with /versions/…")]
Role = Annotated[str, matching(ROLE_ARN, "the ARN of an AWS role")]
KmsKey = Annotated[
    str,
    matching(
        "projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+",
        "a key's resource, projects/…/locations/…/keyRings/…/cryptoKeys/…, without a version",
    ),
]

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html
TagKey = Annotated[str, matching(r"(?s).{1,128}", "1 to 128 characters")]
TagValue = Annotated[str, matching(r"(?s).{0,256}", "0 to 256 characters")]
