"""Checksums computed in the same pass as the copy, and compared before anything becomes visible."""

import hashlib
import zlib
from collections.abc import Callable, Iterable
from typing import Protocol

from awscrt import checksums as crt

from replicator.crc import combined
from replicator.errors import Transient
from replicator.model import Checksum, CompositeChecksum
from replicator.reasons import Reason
from replicator.receipt import UNVERIFIED

Update = Callable[[memoryview, int], int]


class _Hash(Protocol):
    def update(self, data: memoryview, /) -> None: ...
    def digest(self) -> bytes: ...


def name_of(expected: Checksum | CompositeChecksum | None) -> str:
    """What a receipt calls the check: S3's algorithm, with `-COMPOSITE` where it is one over the parts' checksums."""
    if expected is None:
        return UNVERIFIED
    return f"{expected.algorithm}-COMPOSITE" if isinstance(expected, CompositeChecksum) else expected.algorithm


class Digest:
    """Covers an object's bytes once, in order: Cloud Storage's CRC32C, and the source's own checksum if it has one.

    After a resumed read some bytes come again: `update` takes the offset and covers only what is new. What is sent in
    place of bytes that were covered before is checked by Cloud Storage against `crc32c`.
    """

    def __init__(self, expected: Checksum | CompositeChecksum | None) -> None:
        self._expected = expected
        self._check = None if expected is None or _is_crc32c(expected) else _hash_for(expected)
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
        if self._expected is not None:
            _compare(self._expected, self.crc32c if self._check is None else self._check.digest())


class PartsDigest:
    """The same for parts that come in any order: each is covered alone, and all are combined in the end.

    Of a part, or of a range of parts, `check` is what proves the source's own checksum of it: a CRC, the digests of
    S3's parts in it, or nothing where none is needed.
    """

    def __init__(self, expected: Checksum | CompositeChecksum | None) -> None:
        self._expected = None if expected is None or _is_crc32c(expected) else expected
        self._crc32c_expected = expected if expected is not None and _is_crc32c(expected) else None

    @property
    def is_needed(self) -> bool:
        """Whether there is a check to be made beside CRC32C."""
        return self._expected is not None

    def check_of(self, part: memoryview) -> bytes:
        """The check of one part. It must begin where a part of S3's does, where the checksum is a composite one."""
        match self._expected:
            case None:
                return b""
            case Checksum(algorithm):
                hash_ = _new_hash(algorithm)
                hash_.update(part)
                return hash_.digest()
            case CompositeChecksum(algorithm, _, part_size):
                digests = _Parts(algorithm, part_size)
                digests.update(part)
                return digests.joined()

    def combined(self, checks: Iterable[tuple[bytes, int]]) -> bytes:
        """The check of consecutive ranges, of which each has a check and a length in bytes."""
        if not isinstance(self._expected, Checksum):
            return b"".join(check for check, _ in checks)
        return combined(self._expected.algorithm, checks)

    def verify(self, crc32c: bytes, check: bytes) -> None:
        """Raises `Transient` unless the whole object's CRC32C and check match the source's own checksum."""
        if self._crc32c_expected is not None:
            _compare(self._crc32c_expected, crc32c)
        match self._expected:
            case Checksum():
                _compare(self._expected, check)
            case CompositeChecksum(algorithm):
                _compare(self._expected, _digest(algorithm, check))


def crc32c(data: memoryview) -> bytes:
    value: int = crt.crc32c(data)
    return value.to_bytes(4)


def _compare(expected: Checksum | CompositeChecksum, actual: bytes) -> None:
    if actual != expected.digest:
        raise Transient(Reason.CHECKSUM_MISMATCH, f"against the source's {name_of(expected)}")


def _is_crc32c(expected: Checksum | CompositeChecksum) -> bool:
    return isinstance(expected, Checksum) and expected.algorithm == "CRC32C"


class _Crc:
    """A CRC function behind hashlib's interface."""

    def __init__(self, update: Update, length: int) -> None:
        self._update, self._length, self._value = update, length, 0

    def update(self, data: memoryview, /) -> None:
        self._value = self._update(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._length)


class _Parts:
    """A composite checksum behind hashlib's interface."""

    def __init__(self, algorithm: str, part_size: int) -> None:
        self._algorithm, self._part_size = algorithm, part_size
        self._digests: list[bytes] = []
        self._part, self._room = _new_hash(algorithm), part_size

    def update(self, data: memoryview, /) -> None:
        while data:
            piece, data = data[: self._room], data[self._room :]
            self._part.update(piece)
            self._room -= len(piece)
            if not self._room:
                self._end_part()

    def _end_part(self) -> None:
        self._digests.append(self._part.digest())
        self._part, self._room = _new_hash(self._algorithm), self._part_size

    def joined(self) -> bytes:
        """The digests of the parts so far; what was covered last ends one."""
        if self._room < self._part_size:
            self._end_part()
        return b"".join(self._digests)

    def digest(self) -> bytes:
        return _digest(self._algorithm, self.joined())


_CRCS: dict[str, tuple[Update, int]] = {
    "CRC32": (zlib.crc32, 4),
    "CRC32C": (crt.crc32c, 4),
    "CRC64NVME": (crt.crc64nvme, 8),
}
_HASHES: dict[str, Callable[[], _Hash]] = {
    "MD5": lambda: hashlib.md5(usedforsecurity=False),
    "SHA1": lambda: hashlib.sha1(usedforsecurity=False),
    "SHA256": hashlib.sha256,
}


def _new_hash(algorithm: str) -> _Hash:
    if algorithm in _CRCS:
        update, length = _CRCS[algorithm]
        return _Crc(update, length)
    return _HASHES[algorithm]()


def _hash_for(expected: Checksum | CompositeChecksum) -> _Hash:
    if isinstance(expected, CompositeChecksum):
        return _Parts(expected.algorithm, expected.part_size)
    return _new_hash(expected.algorithm)


def _digest(algorithm: str, data: bytes) -> bytes:
    hash_ = _new_hash(algorithm)
    hash_.update(memoryview(data))
    return hash_.digest()
