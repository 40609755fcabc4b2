import random
import zlib

import pytest
from awscrt import checksums as crt

from replicator.crc import combined, is_combinable

OF = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4),
    "CRC32C": lambda data: crt.crc32c(data).to_bytes(4),
    "CRC64NVME": lambda data: crt.crc64nvme(data).to_bytes(8),
}
DATA = random.Random(19).randbytes(5000)


@pytest.mark.parametrize("algorithm", OF)
@pytest.mark.parametrize("ends", [[5000], [1, 5000], [0, 4096, 4096, 5000], list(range(500, 5001, 500))])
def test_crcs_of_ranges_make_the_crc_of_the_whole(algorithm, ends):
    ranges = [DATA[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    assert combined(algorithm, [(OF[algorithm](part), len(part)) for part in ranges]) == OF[algorithm](DATA)


@pytest.mark.parametrize("algorithm", OF)
def test_ranges_in_another_order_have_another_crc(algorithm):
    ranges = [(OF[algorithm](part), len(part)) for part in (DATA[:2000], DATA[2000:])]
    assert combined(algorithm, reversed(ranges)) != OF[algorithm](DATA)


@pytest.mark.parametrize("algorithm", OF)
def test_no_ranges_have_the_crc_of_nothing(algorithm):
    assert combined(algorithm, []) == OF[algorithm](b"")


@pytest.mark.parametrize(("algorithm", "expected"), [*((name, True) for name in OF), ("SHA256", False), ("MD5", False)])
def test_only_crcs_can_be_combined(algorithm, expected):
    assert is_combinable(algorithm) is expected
