"""CRCs of consecutive ranges, combined to the CRC of all of them without reading a byte again."""

from collections.abc import Callable, Iterable, Mapping

from awscrt import checksums as crt

_COMBINE: Mapping[str, tuple[Callable[[int, int, int], int], int]] = {
    "CRC32": (crt.combine_crc32, 4),
    "CRC32C": (crt.combine_crc32c, 4),
    "CRC64NVME": (crt.combine_crc64nvme, 8),
}
"""By S3's name: how two are combined, and how many bytes one has."""


def is_combinable(algorithm: str) -> bool:
    """Whether S3's `algorithm` is a CRC: of ranges the checksum of the whole can be made."""
    return algorithm in _COMBINE


def combined(algorithm: str, ranges: Iterable[tuple[bytes, int]]) -> bytes:
    """The CRC over consecutive ranges, of which each has a CRC and a length in bytes."""
    combine, length = _COMBINE[algorithm]
    whole = 0
    for crc, size in ranges:
        whole = combine(whole, int.from_bytes(crc), size)
    return whole.to_bytes(length)
