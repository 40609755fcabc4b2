"""Moves one pinned object's bytes, on the path that its plan says."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from replicator.deadline import Deadline
from replicator.model import Attributes, DestinationName, DestinationObject, SourceObject
from replicator.ports import Body, Destination, Progress, Source
from replicator.rules import Rule
from replicator.transfer.job import Job
from replicator.transfer.memory import Memory
from replicator.transfer.parts import copy_parts
from replicator.transfer.plan import MIB, USUAL, Circumstances, Path, Plan, Sizes, choose
from replicator.transfer.stream import copy_stream
from replicator.transfer.whole import copy_whole


class Unwatched:
    """The `Progress` of copies that nobody watches."""

    @contextmanager
    def copying(self, _source: SourceObject) -> Iterator[Callable[[int], None]]:
        yield lambda _position: None


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies objects between two sides.

    `chunk_size` is the size in bytes of one read-ahead buffer, `patience` the seconds that one request has. What copies
    hold in memory, however many objects and destinations the requests ask for, is borrowed from `memory`; `workers` are
    the threads that all copies in parts share.
    """

    source: Source
    destination: Destination
    chunk_size: int = MIB
    progress: Progress = field(default_factory=Unwatched)
    memory: Memory = field(default_factory=lambda: Memory(64 * MIB))
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "parts"))
    patience: float = 480.0
    sizes: Sizes = USUAL

    def plan(self, source: SourceObject, name: DestinationName, rule: Rule) -> Plan:
        """How `source` is to be copied, and what its bytes are to be compared with. Raises what the two sides raise."""
        checksum = self.source.checksum(source)
        bucket = self.destination.facts(name.bucket) if source.size >= self.sizes.parts_min else None
        storage_class, budget = rule.placement.storage_class, self.memory.budget
        given = Circumstances(self.sizes, rule.parts, storage_class, bucket, budget, self.patience)
        return choose(source.size, checksum, given)

    def copy(
        self,
        plan: Plan,
        source: SourceObject,
        name: DestinationName,
        attributes: Attributes,
        if_generation: int,
        deadline: Deadline,
        body: Body | None = None,
    ) -> DestinationObject:
        """Writes the bytes of exactly `source`, with `attributes`, if the destination is at `if_generation`.

        `body` is where the bytes come from, if the source was opened already. Raises `SourceMoved` or
        `DestinationMoved` when one side is no longer as required, `Transient` when reading, writing or a checksum
        failed or there was no memory in time, `Unfinished` when a copy in parts stopped in time. In each case nothing
        became visible.
        """
        with self.progress.copying(source) as at:
            sides = self.source, self.destination
            job = Job(*sides, plan, source, name, attributes, if_generation, deadline, at)
            match plan.path:
                case Path.WHOLE:
                    return copy_whole(job, self.memory, body)
                case Path.STREAM:
                    return copy_stream(job, self.memory, self.chunk_size)
                case Path.PARTS:
                    return copy_parts(job, self.memory, self.workers)
