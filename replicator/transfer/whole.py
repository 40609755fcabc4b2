"""Path `whole`: a small object is read into memory by one GET, verified, and written by one insert."""

from replicator.model import DestinationObject
from replicator.ports import Body
from replicator.transfer.checksums import Digest
from replicator.transfer.job import Job
from replicator.transfer.memory import Memory
from replicator.transfer.reading import read_into


def copy_whole(job: Job, memory: Memory, body: Body | None) -> DestinationObject:
    """`body` has all of the bytes, where the source was opened already.

    Raises what the two sides raise, and `Transient` when the bytes do not match or time is up.
    """
    with memory.borrow(job.source.size, job.deadline) as data:
        read_into(data, job.source_side, job.source, 0, job.deadline, body, job.at)
        digest = Digest(job.plan.check)
        digest.update(0, data)
        digest.verify(job.source.size)
        return job.destination_side.insert(job.name, data, digest.crc32c, job.attributes, job.if_generation)
