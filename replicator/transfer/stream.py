"""Path `stream`: one resumable upload, fed by a reader that runs ahead in its own thread.

All but the last bytes go in one long request. The last ones carry the checksum of the whole object: only then does
Cloud Storage make it visible. A broken read resumes where it broke; a broken or partly persisted upload resumes where
Cloud Storage says, and the reader goes back there.
"""

from collections.abc import Callable, Iterator

from replicator.errors import Transient
from replicator.model import DestinationObject
from replicator.ports import UploadSession
from replicator.reasons import Reason
from replicator.transfer.checksums import Digest
from replicator.transfer.job import Job
from replicator.transfer.memory import Memory
from replicator.transfer.readahead import DEPTH, ReadAhead

UPLOAD_UNIT = 256 * 1024
"""All but the last request of a resumable upload send a multiple of this
(https://cloud.google.com/storage/docs/performing-resumable-uploads#chunked-upload)."""

MAX_FRUITLESS_APPENDS = 3
"""Requests in a row after which Cloud Storage may hold no more than before."""


def copy_stream(job: Job, memory: Memory, chunk_size: int) -> DestinationObject:
    """`chunk_size` is the size in bytes of one of the `DEPTH` buffers that are read ahead.

    Raises what the two sides raise, and `Transient` when the bytes do not match or time is up.
    """
    size, destination_side, digest = job.source.size, job.destination_side, Digest(job.plan.check)
    session = destination_side.begin(job.name, size, job.attributes, job.if_generation)
    try:
        with (
            memory.borrow(DEPTH * chunk_size, job.deadline) as buffer,
            ReadAhead(job.source_side, job.source, buffer, job.deadline) as reader,
        ):
            last_chunk = (size - 1) // UPLOAD_UNIT * UPLOAD_UNIT
            _send_until(last_chunk, session, reader, digest, job.at)
            tail = b"".join(_checked(reader, size - last_chunk, digest, job.at))
        digest.verify(size)
        job.deadline.check()
        written = session.finish(last_chunk, tail, digest.crc32c)
    except BaseException:
        session.cancel()
        raise
    if written.crc32c != digest.crc32c:
        # Cloud Storage was given the checksum and should have refused. What is visible is at least not left behind.
        destination_side.delete(written)
        raise Transient(Reason.CHECKSUM_MISMATCH, "Cloud Storage holds other bytes than were sent")
    return written


def _send_until(end: int, session: UploadSession, reader: ReadAhead, digest: Digest, at: Callable[[int], None]) -> None:
    persisted = fruitless = 0
    while persisted < end:
        reader.seek(persisted)
        length = end - persisted
        before, persisted = persisted, session.append(persisted, length, _checked(reader, length, digest, at))
        fruitless = 0 if persisted > before else fruitless + 1
        if fruitless >= MAX_FRUITLESS_APPENDS:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "the upload makes no progress")


def _checked(reader: ReadAhead, length: int, digest: Digest, at: Callable[[int], None]) -> Iterator[memoryview]:
    offset = reader.position
    for chunk in reader.take(length):
        digest.update(offset, chunk)
        offset += len(chunk)
        at(offset)
        yield chunk
