import base64
import hashlib
import zlib

import pytest
from awscrt import checksums as crt

from replicator.errors import Transient
from replicator.model import Checksum
from replicator.reasons import Reason
from replicator.transfer.checksums import Digest

DATA = bytes(range(256)) * 1000
DIGESTS = {
    "CRC32": zlib.crc32(DATA).to_bytes(4, "big"),
    "CRC32C": crt.crc32c(DATA).to_bytes(4, "big"),
    "CRC64NVME": crt.crc64nvme(DATA).to_bytes(8, "big"),
    "MD5": hashlib.md5(DATA, usedforsecurity=False).digest(),
    "SHA1": hashlib.sha1(DATA, usedforsecurity=False).digest(),
    "SHA256": hashlib.sha256(DATA).digest(),
}


def digest_of(data: bytes, expected: Checksum | None, chunk: int = 1000) -> Digest:
    digest = Digest(expected)
    for offset in range(0, len(data), chunk):
        digest.update(offset, memoryview(data)[offset : offset + chunk])
    return digest


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_the_source_s_own_checksum_is_verified(algorithm):
    digest_of(DATA, Checksum(algorithm, DIGESTS[algorithm])).verify(len(DATA))


@pytest.mark.parametrize("algorithm", DIGESTS)
def test_a_single_flipped_bit_is_caught(algorithm):
    flipped = bytearray(DATA)
    flipped[12345] ^= 1
    with pytest.raises(Transient) as caught:
        digest_of(bytes(flipped), Checksum(algorithm, DIGESTS[algorithm])).verify(len(DATA))
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH


def test_known_answers_from_the_catalogue_of_crc_algorithms():
    check = b"123456789"
    assert digest_of(check, None).crc32c == bytes.fromhex("e3069283")
    digest_of(check, Checksum("CRC64NVME", bytes.fromhex("ae8b14860a799888"))).verify(9)
    assert base64.b64encode(digest_of(b"", None).crc32c) == b"AAAAAA=="


def test_too_few_bytes_are_a_truncated_source_not_a_mismatch():
    with pytest.raises(Transient) as caught:
        digest_of(DATA[:-1], Checksum("MD5", DIGESTS["MD5"])).verify(len(DATA))
    assert caught.value.reason is Reason.SOURCE_TRUNCATED


def test_bytes_that_come_again_are_covered_once():
    digest = Digest(Checksum("SHA256", DIGESTS["SHA256"]))
    view = memoryview(DATA)
    digest.update(0, view[:5000])
    digest.update(2000, view[2000:4000])
    digest.update(4000, view[4000:9000])
    digest.update(9000, view[9000:])
    digest.verify(len(DATA))
    assert digest.crc32c == DIGESTS["CRC32C"]


def test_a_gap_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="gap"):
        Digest(None).update(1, memoryview(b"x"))
