"""CRC32C and MD5: counted while bytes arrive, announced by clients, compared before anything is visible."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message

from awscrt.checksums import combine_crc32c, crc32c

from replicator.dev.cloud_storage.messages import ApiError, invalid


def encode_crc32c(value: int) -> str:
    """Base64 of the big-endian bytes, as the object resource carries it."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


class RunningChecksums:
    """The checksums of all bytes so far. MD5 costs more than everything else, and may be left out."""

    def __init__(self, *, with_md5: bool) -> None:
        self._crc32c = 0
        self._md5 = hashlib.md5(usedforsecurity=False) if with_md5 else None

    def update(self, block: memoryview) -> None:
        self._crc32c = crc32c(block, self._crc32c)
        if self._md5 is not None:
            self._md5.update(block)

    def append(self, other_crc32c: str, size: int) -> None:
        """Go on after `size` bytes whose checksum is known. MD5 cannot be combined: it is lost."""
        other = int.from_bytes(base64.b64decode(other_crc32c), "big")
        self._crc32c = combine_crc32c(self._crc32c, other, size)
        self._md5 = None

    @property
    def crc32c(self) -> str:
        return encode_crc32c(self._crc32c)

    @property
    def md5(self) -> str | None:
        return base64.b64encode(self._md5.digest()).decode() if self._md5 is not None else None


@dataclass(frozen=True, slots=True)
class Expected:
    """The checksums a client announced for the whole object, in base64."""

    crc32c: str | None = None
    md5: str | None = None

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> Expected:
        """`crc32c` and `md5Hash` of an object resource. Raises ApiError (400)."""
        return cls(_canonical("crc32c", resource.get("crc32c"), 4), _canonical("md5Hash", resource.get("md5Hash"), 16))

    @classmethod
    def from_headers(cls, headers: Message) -> Expected:
        """`X-Goog-Hash: crc32c=…,md5=…`, in one header or several. Raises ApiError (400)."""
        stated = ",".join(headers.get_all("X-Goog-Hash", []))
        pairs = dict(part.strip().split("=", 1) for part in stated.split(",") if "=" in part)
        return cls(_canonical("crc32c", pairs.get("crc32c"), 4), _canonical("md5", pairs.get("md5"), 16))

    def or_else(self, other: Expected) -> Expected:
        return Expected(self.crc32c or other.crc32c, self.md5 or other.md5)

    def check(self, actual: RunningChecksums) -> None:
        """Raises ApiError (400, invalid) when the bytes are not those announced."""
        if self.crc32c is not None and self.crc32c != actual.crc32c:
            raise invalid(f"Provided CRC32C {self.crc32c!r} does not match the calculated CRC32C {actual.crc32c!r}")
        if self.md5 is not None and actual.md5 is None:
            raise ApiError(501, "notImplemented", "This server was told not to calculate MD5; it cannot verify one")
        if self.md5 is not None and self.md5 != actual.md5:
            raise invalid(f"Provided MD5 hash {self.md5!r} does not match the calculated MD5 hash {actual.md5!r}")


def _canonical(field: str, value: object, size: int) -> str | None:
    if value is None:
        return None
    try:
        decoded = base64.b64decode(str(value), validate=True)
    except ValueError as error:
        raise invalid(f"Invalid value for {field}: {value!r}") from error
    if len(decoded) != size:
        raise invalid(f"Invalid value for {field}: {value!r}")
    return base64.b64encode(decoded).decode()
