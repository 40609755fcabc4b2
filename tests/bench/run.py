"""A run: the works on the networks, the ways taking turns, every replica compared with its source."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench import network
from tests.bench.network import Network, Sides
from tests.bench.objects import SOURCE_BUCKET, Content, Source
from tests.bench.replicas import Replicas
from tests.bench.results import Group, Sample
from tests.bench.turns import in_sequence
from tests.bench.usage import cpu_seconds
from tests.bench.ways.way import Task, Way
from tests.bench.works import WARM_UP_KEY, WARM_UP_SIZE, Work

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Bench:
    """Servers that run, ways to compare, and how often: `repeats` rounds count, after one that does not if `warm_up`.

    In a round each way does the work once, and begins with another one than the round before (ABC, BCA, …), so that
    what else happens on the machine meets them alike.
    """

    sides: Sides
    folder: Path
    ways: Mapping[str, Way]
    repeats: int
    warm_up: bool
    say: Say

    def measure(self, works: Sequence[Work], networks: Sequence[str]) -> list[Group]:
        source = Source(self.sides.s3)
        warm_up = source.put({WARM_UP_KEY: WARM_UP_SIZE})
        groups = []
        for work in works:
            self.say(f"{work.title}: uploading {work.bytes / 1024**2:,.0f} MiB")
            contents = source.put(dict(zip(work.keys(), work.sizes, strict=True)))
            self.say(f"S3 has stored {source.stored(work.keys()[-1])}")
            for name in networks:
                if name in work.at_once:
                    with network.opened(name, self.sides, self.folder) as opened:
                        groups.append(self._measure(work, name, opened, contents, warm_up))
        return groups

    def _measure(
        self,
        work: Work,
        network_name: str,
        opened: Network,
        contents: Mapping[str, Content],
        warm_up: Mapping[str, Content],
    ) -> Group:
        samples: dict[str, list[Sample]] = {}
        without: dict[str, str] = {}
        for name in work.ways:
            if name in self.ways:
                if reason := self.ways[name].missing():
                    without[name] = reason
                else:
                    samples[name] = []
        for number in range(self.repeats + self.warm_up):
            counts = number >= self.warm_up
            for name in _turned(list(samples), number):
                try:
                    sample = self._sample(work, network_name, opened, self.ways[name], contents, warm_up)
                except Exception as error:  # of whatever kind: it says why there is no figure, and the others go on
                    without[name] = f"failed: {error}"
                    del samples[name]
                    self.say(f"  {work.name}, {network_name}, {name}: {without[name]}")
                    continue
                self.say(
                    f"  {work.name}, {network_name}, {name}: {sample.seconds:.2f} s, CPU {sample.cpu_seconds:.2f} s, "
                    f"{sample.peak / 1024**2:.0f} MiB{'' if counts else ' (warm-up)'}"
                )
                if counts:
                    samples[name].append(sample)
        return Group(
            work.name,
            work.title,
            network_name,
            len(work.sizes),
            work.bytes,
            work.at_once[network_name],
            datetime.now(UTC).date().isoformat(),
            {name: tuple(taken) for name, taken in samples.items()},
            without,
        )

    def _sample(
        self,
        work: Work,
        network_name: str,
        opened: Network,
        way: Way,
        contents: Mapping[str, Content],
        warm_up: Mapping[str, Content],
    ) -> Sample:
        """Fresh processes for each sample. Raises whatever the way raises, and `WrongReplicas`."""
        bucket = f"replica-{way.name}"
        with Replicas(self.sides, bucket) as replicas, TemporaryDirectory(dir=self.folder) as folder:
            at_once = work.at_once[network_name]
            task = Task(opened.sides, SOURCE_BUCKET, bucket, at_once, Path(folder), work.variables)
            try:
                with way.start(task) as started:
                    started.copy([WARM_UP_KEY])
                    replicas.take(warm_up)
                    opened.turns()
                    cpu, clock = cpu_seconds(started.pid), time.monotonic()
                    started.copy(list(contents))
                    seconds, cpu = time.monotonic() - clock, cpu_seconds(started.pid) - cpu
                    peak, turns = started.peak(), opened.turns()
            except BaseException:
                replicas.discard()
                raise
            replicas.take(contents)
        sample = Sample(seconds, cpu, peak.largest, peak.together)
        if network_name == network.LOOPBACK:
            return sample
        connections = sum(turn.connection for turn in turns)
        return Sample(
            seconds, cpu, peak.largest, peak.together, connections, len(turns) - connections, in_sequence(turns)
        )


def _turned(names: list[str], by: int) -> list[str]:
    by %= max(1, len(names))
    return names[by:] + names[:by]
