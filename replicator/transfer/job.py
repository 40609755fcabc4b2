"""One copy that is to be made: what every path needs to know."""

from collections.abc import Callable
from dataclasses import dataclass

from replicator.deadline import Deadline
from replicator.model import Attributes, DestinationName, SourceObject
from replicator.ports import Destination, Source
from replicator.transfer.plan import Plan


@dataclass(frozen=True, slots=True)
class Job:
    """The bytes of exactly `source` are to be written as `name`, with `attributes`, if that is at `if_generation`.

    `at` is told how many bytes, from the start, have been read.
    """

    source_side: Source
    destination_side: Destination
    plan: Plan
    source: SourceObject
    name: DestinationName
    attributes: Attributes
    if_generation: int
    deadline: Deadline
    at: Callable[[int], None]
