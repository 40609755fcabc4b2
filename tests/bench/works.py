"""The works: which objects are copied, and how many at once."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.bench.network import DISTANT, LOOPBACK

KIB, MIB, GIB = 1024, 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Work:
    """`sizes` are those of its objects, in bytes. `at_once` says how many are copied at once on each network that the
    work is measured on; `variables` are what the project's own ways are configured with beside the defaults."""

    name: str
    title: str
    sizes: tuple[int, ...]
    at_once: Mapping[str, int]
    ways: tuple[str, ...]
    variables: Mapping[str, str]

    @property
    def bytes(self) -> int:
        return sum(self.sizes)

    def keys(self) -> tuple[str, ...]:
        return tuple(f"{self.name}/{number:05}" for number in range(len(self.sizes)))


def _size(count: int) -> str:
    return f"{count // GIB} GiB" if count >= GIB else f"{count // MIB} MiB"


OURS = ("ours", "ours-stream", "ours-http", "ours-http-stream")
PEERS = ("rclone", "gcloud", "obstore")
NAIVE = ("upload-from-file", "blob-open", "read-all")
SERIAL = ("ours-one-by-one", "ours-http-one-by-one")

MIXED = (16 * KIB,) * 200 + (MIB,) * 40 + (16 * MIB,) * 8 + (128 * MIB,) * 2
BUDGET = {"MEMORY_BUDGET": str(128 * MIB)}


def works(*, quick: bool) -> dict[str, Work]:
    """By name. The quick form has the same works, small enough for a test."""
    large, count = (12 * MIB, 24) if quick else (GIB, 1000)
    mixed = (16 * KIB, MIB, 12 * MIB) if quick else MIXED
    every = (*OURS, *PEERS, *NAIVE)
    listed = [
        Work("one-1gib", f"one object of {_size(large)}", (large,), {LOOPBACK: 1, DISTANT: 1}, every, {}),
        Work(
            "eight-1gib",
            f"eight objects of {_size(large)}",
            (large,) * 8,
            {LOOPBACK: 8, DISTANT: 8},
            ("ours", "ours-http", *SERIAL, "rclone", "obstore"),
            BUDGET,
        ),
        Work(
            "small-1000",
            f"{count:,} objects of 16 KiB",
            (16 * KIB,) * count,
            {LOOPBACK: 16, DISTANT: 64},
            ("ours", "ours-http", *PEERS, *NAIVE),
            {},
        ),
        Work(
            "mixed",
            f"a mixed set of {len(mixed)} objects, {sum(mixed) / MIB:.0f} MiB",
            mixed,
            {LOOPBACK: 16, DISTANT: 16},
            ("ours", "ours-http", *PEERS, *NAIVE),
            {},
        ),
        Work("one-small", "one new object of 16 KiB", (16 * KIB,), {DISTANT: 1}, ("ours", "ours-http"), {}),
    ]
    return {work.name: work for work in listed}


WARM_UP_KEY = "warm-up"
WARM_UP_SIZE = 1000
"""Each way copies this object before the clock starts: then its clients are built and its code is read."""
