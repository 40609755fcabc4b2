"""Path `whole`: a small object is read into memory by one GET, verified, and written by one insert."""

from collections.abc import Callable

from replicator.deadline import Deadline
from replicator.model import Attributes, DestinationName, DestinationObject, SourceObject
from replicator.ports import Destination, Source
from replicator.transfer.checksums import Digest


def copy_whole(
    source_side: Source,
    destination_side: Destination,
    source: SourceObject,
    name: DestinationName,
    attributes: Attributes,
    if_generation: int,
    *,
    deadline: Deadline,
    at: Callable[[int], None],
) -> DestinationObject:
    """Raises what the two sides raise, and `Transient` when the bytes do not match or time is up."""
    data = memoryview(bytearray(source.size))
    filled = 0
    with source_side.open(source) as body:
        while count := body.readinto(data[filled:]):
            filled += count
            at(filled)
            deadline.check()
    digest = Digest(source.checksum)
    digest.update(0, data[:filled])
    digest.verify(source.size)
    return destination_side.insert(name, data, digest.crc32c, attributes, if_generation)
