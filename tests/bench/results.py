"""What was measured, as it is kept in JSON beside the document."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of one way. Memory is in bytes: of the largest process, and of all together.

    The last three are counted by the links, so there are none on loopback: connections that were opened, turns of
    asking and answering, those of both in sequence.
    """

    seconds: float
    cpu_seconds: float
    peak: int
    peak_together: int
    connections: int | None = None
    requests: int | None = None
    round_trips: int | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """One work on one network, in one run: the samples at the same position are of the same round.

    `without` names the ways that have no figures, and why.
    """

    work: str
    title: str
    network: str
    objects: int
    bytes: int
    at_once: int
    measured_on: str
    samples: Mapping[str, tuple[Sample, ...]]
    without: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the service, until it is ready: what it took, and the bytes it then holds while idle."""

    seconds: float
    cpu_seconds: float
    idle: int
    idle_together: int


@dataclass(frozen=True, slots=True)
class LinkRates:
    """What a link does: seconds that a byte and its answer take, and rates in MiB/s.

    The rates are of one connection in each direction, and of a client that moves bytes from one side to the other,
    `through` both links, over many connections, and does nothing else. `cpu` is seconds per GiB of one link.
    """

    round_trip: float
    down: float
    up: float
    through: float
    cpu: float


@dataclass(frozen=True, slots=True)
class Results:
    """Of one or several runs on one machine. `facts` describe it and what ran on it."""

    facts: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[Group, ...] = ()
    starts: tuple[Start, ...] = ()
    links: tuple[LinkRates, ...] = ()

    def group(self, work: str, network: str) -> Group | None:
        return next((group for group in self.groups if (group.work, group.network) == (work, network)), None)

    def updated(self, newer: "Results") -> "Results":
        """What `newer` has measured again replaces what was here; groups are never mixed."""
        kept = {(group.work, group.network): group for group in self.groups}
        kept |= {(group.work, group.network): group for group in newer.groups}
        return Results(
            {**self.facts, **newer.facts},
            tuple(kept.values()),
            newer.starts or self.starts,
            newer.links or self.links,
        )


def to_json(results: Results) -> str:
    return json.dumps(_rounded(asdict(results)), indent=1) + "\n"


def from_json(text: str) -> Results:
    read = json.loads(text)
    return Results(
        read["facts"],
        tuple(_group(group) for group in read["groups"]),
        tuple(Start(**start) for start in read["starts"]),
        tuple(LinkRates(**rates) for rates in read["links"]),
    )


def read(file: Path) -> Results:
    """Nothing measured yet is no error."""
    return from_json(file.read_text()) if file.exists() else Results()


def pairs(group: Group, way: str, other: str) -> Iterator[tuple[Sample, Sample]]:
    """The samples of two ways, round by round; none unless both have figures."""
    return zip(group.samples.get(way, ()), group.samples.get(other, ()), strict=False)


def _group(read: dict[str, Any]) -> Group:
    samples = {way: tuple(Sample(**sample) for sample in taken) for way, taken in read.pop("samples").items()}
    return Group(**read, samples=samples)


def _rounded(value: Any) -> Any:
    """A tenth of a millisecond is more than the clock is good for."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value
