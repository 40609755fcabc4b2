"""The goals as data, and what the results say of them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from tests.bench.network import DISTANT, LOOPBACK
from tests.bench.results import Group, Results, Sample, pairs

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what was measured, and its ends."""

    median: float
    low: float
    high: float


def spread(values: Iterable[float]) -> Spread | None:
    found = list(values)
    return Spread(median(found), min(found), max(found)) if found else None


def speed(ours: Sample, other: Sample) -> float:
    """How many times as fast `ours` was, in one round."""
    return other.seconds / ours.seconds


def cpu(ours: Sample, other: Sample) -> float:
    """How many times `other`'s CPU time `ours` took, in one round."""
    return ours.cpu_seconds / other.cpu_seconds


class Measure(Protocol):
    """What a goal is about. `unit` stands behind its numbers."""

    @property
    def unit(self) -> str: ...

    def of(self, results: Results) -> Spread | None:
        """`None` where nothing was measured."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A quotient, `speed` or `cpu`, of a way and another in the same round."""

    quotient: Callable[[Sample, Sample], float]
    work: str
    network: str
    way: str
    other: str
    unit: str = " times"

    def of(self, results: Results) -> Spread | None:
        group = results.group(self.work, self.network)
        return spread(self.quotient(*pair) for pair in pairs(group, self.way, self.other)) if group else None


@dataclass(frozen=True, slots=True)
class Peak:
    """The memory of the process that moves the bytes, at its most, in MiB."""

    work: str
    network: str
    way: str
    unit: str = " MiB"

    def of(self, results: Results) -> Spread | None:
        return spread(sample.peak / MIB for sample in _samples(results.group(self.work, self.network), self.way))


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Those that have to be waited for, one after the other."""

    work: str
    network: str
    way: str
    unit: str = ""

    def of(self, results: Results) -> Spread | None:
        group = results.group(self.work, self.network)
        return spread(sample.round_trips for sample in _samples(group, self.way) if sample.round_trips is not None)


@dataclass(frozen=True, slots=True)
class StartCpu:
    """From the start of the service until it is ready, in seconds."""

    unit: str = " s"

    def of(self, results: Results) -> Spread | None:
        return spread(start.cpu_seconds for start in results.starts)


@dataclass(frozen=True, slots=True)
class IdleMemory:
    """Of the service's largest process when it is ready, in MiB."""

    unit: str = " MiB"

    def of(self, results: Results) -> Spread | None:
        return spread(start.idle / MIB for start in results.starts)


@dataclass(frozen=True, slots=True)
class Goal:
    """Reached when the median is on the right side of `bound`."""

    work: str
    text: str
    way: str
    measure: Measure
    bound: float
    at_least: bool

    def reached(self, measured: Spread) -> bool:
        return measured.median >= self.bound if self.at_least else measured.median <= self.bound


def goals() -> Iterator[Goal]:
    for way, stream in (("ours", "ours-stream"), ("ours-http", "ours-http-stream")):
        large = "one-1gib", LOOPBACK
        title = "1 GiB, loopback, path `stream`"
        yield Goal(
            title, "at least 1.25 times rclone's speed", stream, Ratio(speed, *large, stream, "rclone"), 1.25, True
        )
        yield Goal(
            title, "at most 0.7 times rclone's CPU per GiB", stream, Ratio(cpu, *large, stream, "rclone"), 0.7, False
        )
        title = "1 GiB, loopback, the path chosen by default"
        yield Goal(title, "at least rclone's speed", way, Ratio(speed, *large, way, "rclone"), 1.0, True)
        yield Goal(title, "at most 1.1 times rclone's CPU per GiB", way, Ratio(cpu, *large, way, "rclone"), 1.1, False)
        far = Ratio(speed, "one-1gib", DISTANT, way, "rclone")
        yield Goal("1 GiB, 50 ms", "at least 5 times rclone's speed", way, far, 5.0, True)
        title = "eight 1 GiB objects at once, budget 128 MiB"
        eight = "eight-1gib", LOOPBACK
        yield Goal(title, "peak RSS at most 256 MiB", way, Peak(*eight, way), 256, False)
        serial = Ratio(speed, *eight, way, f"{way}-one-by-one")
        yield Goal(title, "no slower in sum than one after another", way, serial, 1.0, True)
        for network, where in ((DISTANT, "50 ms, 64 at once"), (LOOPBACK, "loopback, 16 at once")):
            rate = Ratio(speed, "small-1000", network, way, "rclone")
            yield Goal(f"1,000 of 16 KiB, {where}", "at least rclone's rate", way, rate, 1.0, True)
        trips = RoundTrips("one-small", DISTANT, way)
        yield Goal("one small new object, 50 ms", "at most 4 round trips", way, trips, 4, False)
    service = "ours-http"
    yield Goal("process start to ready", "under 1 s of CPU", service, StartCpu(), 1.0, False)
    yield Goal("process start to ready", "idle RSS under 120 MiB", service, IdleMemory(), 120, False)


def _samples(group: Group | None, way: str) -> tuple[Sample, ...]:
    return group.samples.get(way, ()) if group else ()
