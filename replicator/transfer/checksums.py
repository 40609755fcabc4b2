"""Checksums computed in the same pass as the copy, and compared before anything becomes visible."""

import hashlib
import zlib
from collections.abc import Callable

from awscrt import checksums as crt

from replicator.errors import Transient
from replicator.model import Checksum
from replicator.reasons import Reason


class Digest:
    """Covers an object's bytes once, in order: Cloud Storage's CRC32C, and the source's own checksum if it has one.

    After a resumed read some bytes come again: `update` takes the offset and covers only what is new. What is sent in
    place of bytes that were covered before is checked by Cloud Storage against `crc32c`.
    """

    def __init__(self, expected: Checksum | None) -> None:
        self._expected = expected
        self._check = _ALGORITHMS[expected.algorithm]() if expected and expected.algorithm != "CRC32C" else None
        self._crc32c = 0
        self._covered = 0

    def update(self, offset: int, chunk: memoryview) -> None:
        """Covers `chunk`, which begins at `offset` of the object, as far as it is new. It must leave no gap."""
        if offset > self._covered:
            raise ValueError("a gap in the bytes to be checked")
        fresh = chunk[self._covered - offset :]
        self._crc32c = crt.crc32c(fresh, self._crc32c)
        if self._check is not None:
            self._check.update(fresh)
        self._covered += len(fresh)

    @property
    def crc32c(self) -> bytes:
        return self._crc32c.to_bytes(4)

    def verify(self, size: int) -> None:
        """Raises `Transient` unless all `size` bytes were covered and match the source's own checksum."""
        if self._covered != size:
            raise Transient(Reason.SOURCE_TRUNCATED, f"{self._covered} of {size} bytes")
        if self._expected is None:
            return
        actual = self.crc32c if self._check is None else self._check.digest()
        if actual != self._expected.digest:
            raise Transient(Reason.CHECKSUM_MISMATCH, f"against the source's {self._expected.algorithm}")


class _Crc:
    """A CRC function behind hashlib's interface."""

    def __init__(self, function: Callable[[memoryview, int], int], length: int) -> None:
        self._function, self._length, self._value = function, length, 0

    def update(self, chunk: memoryview) -> None:
        self._value = self._function(chunk, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._length)


_ALGORITHMS: dict[str, Callable[[], "_Crc | hashlib._Hash"]] = {
    "CRC32": lambda: _Crc(zlib.crc32, 4),
    "CRC64NVME": lambda: _Crc(crt.crc64nvme, 8),
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}
