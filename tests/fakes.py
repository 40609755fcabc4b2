"""In-memory implementations of the ports. They pass the same contract suite as the real adapters."""

import hashlib
import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import RLock

from awscrt.checksums import crc32c as compute_crc32c

from replicator.dev.message import ADDED
from replicator.errors import DestinationMoved, Permanent, SourceMoved, Transient
from replicator.model import (
    Attributes,
    BucketFacts,
    Checksum,
    CompositeChecksum,
    ContentHeaders,
    DeadLetter,
    DestinationName,
    DestinationObject,
    Placement,
    SourceKey,
    SourceObject,
)
from replicator.ports import LEASE, MAX_COMPONENTS, Body, UploadSession
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, decode, encode

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
UPLOAD_UNIT = 256 * 1024


def crc32c(data: bytes | memoryview) -> bytes:
    return int(compute_crc32c(data)).to_bytes(4, "big")


class InMemorySource:
    """S3 as the core sees it. `reads` counts the bytes that were given; `on_read` runs before each read."""

    def __init__(self, *buckets: str) -> None:
        self.buckets = set(buckets)
        self.objects: dict[SourceKey, tuple[SourceObject, bytes]] = {}
        self.composites: dict[SourceKey, CompositeChecksum] = {}
        self.read_bytes = 0
        self.opened_at: list[int] = []
        self.on_read: Callable[[int], None] = lambda offset: None
        self._seconds = itertools.count()
        self.lock = RLock()

    def put(self, key: SourceKey, data: bytes, **properties: object) -> SourceObject:
        """Writes an object, a second after the write before."""
        md5 = hashlib.md5(data, usedforsecurity=False)
        state = SourceObject(
            key=key,
            etag=md5.hexdigest(),
            version_id=None,
            last_modified=EPOCH + timedelta(seconds=next(self._seconds)),
            size=len(data),
            headers=ContentHeaders(content_type="text/plain"),
            checksum=Checksum("MD5", md5.digest()),
            md5=md5.digest(),
        )
        state = replace(state, **properties)  # type: ignore[arg-type]
        with self.lock:
            self.objects[key] = state, data
        return state

    def delete(self, key: SourceKey) -> None:
        with self.lock:
            self.objects.pop(key, None)

    def stat(self, key: SourceKey) -> SourceObject | None:
        with self.lock:
            if key.bucket not in self.buckets:
                raise Permanent(Reason.SOURCE_BUCKET_NOT_FOUND)
            found = self.objects.get(key)
            return found[0] if found else None

    @contextmanager
    def read(self, key: SourceKey) -> Iterator[tuple[SourceObject, Body] | None]:
        with self.lock:
            source = self.stat(key)
            data = self.objects[key][1] if source else b""
        yield (source, _Body(self, memoryview(data), 0)) if source else None

    @contextmanager
    def open(self, source: SourceObject, offset: int = 0, length: int | None = None) -> Iterator[Body]:
        with self.lock:
            self.opened_at.append(offset)
            state, data = self.objects.get(source.key, (None, b""))
            if state != source:
                raise SourceMoved
        end = source.size if length is None else offset + length
        yield _Body(self, memoryview(data)[:end], offset)

    def checksum(self, source: SourceObject) -> Checksum | CompositeChecksum | None:
        return source.checksum or self.composites.get(source.key)

    def check(self, bucket: str) -> None:
        if bucket not in self.buckets:
            raise Permanent(Reason.SOURCE_BUCKET_NOT_FOUND)


class _Body:
    def __init__(self, side: InMemorySource, data: memoryview, offset: int) -> None:
        self._side, self._data, self._offset = side, data, offset

    def readinto(self, buffer: memoryview) -> int:
        self._side.on_read(self._offset)
        chunk = self._data[self._offset : self._offset + min(len(buffer), 64 * 1024)]
        buffer[: len(chunk)] = chunk
        self._offset += len(chunk)
        with self._side.lock:
            self._side.read_bytes += len(chunk)
        return len(chunk)


class OneByOne(Executor):
    """Does each step in the moment in which it is begun: what happens in which order is certain."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


@dataclass(slots=True)
class Stored:
    """An object of the destination with its bytes, and what they were written with."""

    state: DestinationObject
    data: bytes
    attributes: Attributes | None


@dataclass
class InMemoryDestination:
    """Cloud Storage as the core sees it. `writes` lists every change, in order; `bucket_facts` is what every bucket is
    like; `generations` has the last generation of each name, also of those that are gone."""

    buckets: set[str] = field(default_factory=set)
    objects: dict[DestinationName, Stored] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    bucket_facts: BucketFacts | None = field(default_factory=lambda: BucketFacts("STANDARD"))
    on_append: Callable[[int, int], int] = lambda offset, length: length
    generations: dict[DestinationName, int] = field(default_factory=dict)
    _lock: RLock = field(default_factory=RLock)

    def put_foreign(self, name: DestinationName, data: bytes, metadata: dict[str, str] | None = None) -> None:
        """Somebody else writes, unconditionally."""
        with self._lock:
            self._store(name, data, metadata or {}, None)
            self.writes.append("foreign")

    def data(self, name: DestinationName) -> bytes | None:
        stored = self.objects.get(name)
        return stored.data if stored else None

    def stat(self, name: DestinationName) -> DestinationObject | None:
        with self._lock:
            stored = self.objects.get(name)
            return stored.state if stored else None

    def insert(
        self, name: DestinationName, data: memoryview, crc32c: bytes, attributes: Attributes, if_generation: int
    ) -> DestinationObject:
        with self._lock:
            return self.commit(name, bytes(data), crc32c, attributes, if_generation)

    def compose(
        self,
        name: DestinationName,
        components: Sequence[DestinationObject],
        attributes: Attributes,
        if_generation: int,
        *,
        delete_components: bool = False,
    ) -> DestinationObject:
        assert 1 <= len(components) <= MAX_COMPONENTS
        with self._lock:
            found = [self.objects.get(component.name) for component in components]
            for component, stored in zip(components, found, strict=True):
                if stored is None or stored.state.generation != component.generation:
                    raise DestinationMoved
            data = b"".join(stored.data for stored in found if stored)
            composed = replace(self.commit(name, data, crc32c(data), attributes, if_generation), md5=None)
            self.objects[name].state = composed
            if delete_components:
                for component in components:
                    self.discard(component)
            return composed

    def begin(self, name: DestinationName, size: int, attributes: Attributes, if_generation: int) -> UploadSession:
        self._require_bucket(name)
        return _InMemorySession(self, name, size, attributes, if_generation)

    def update_metadata(self, current: DestinationObject, attributes: Attributes) -> DestinationObject:
        with self._lock:
            stored = self._require(current)
            if current.custom_time and attributes.custom_time and attributes.custom_time < current.custom_time:
                raise Permanent(Reason.DESTINATION_REFUSED)
            metadata = _with_receipt(attributes)
            placement = stored.attributes.placement if stored.attributes else Placement()
            stored.attributes = replace(attributes, placement=placement)
            stored.state = replace(
                stored.state,
                metageneration=stored.state.metageneration + 1,
                metadata=metadata,
                receipt=decode(metadata),
                custom_time=attributes.custom_time,
            )
            self.writes.append("update_metadata")
            return stored.state

    def delete(self, current: DestinationObject) -> None:
        with self._lock:
            self._require(current)
            del self.objects[current.name]
            self.writes.append("delete")

    def list_objects(self, bucket: str, prefix: str) -> Iterator[DestinationObject]:
        with self._lock:
            names = sorted(name.name for name in self.objects if name.bucket == bucket)
            found = [self.objects[DestinationName(bucket, name)].state for name in names if name.startswith(prefix)]
        return iter(found)

    def discard(self, temporary: DestinationObject) -> None:
        with self._lock:
            stored = self.objects.get(temporary.name)
            if stored and stored.state.generation == temporary.generation:
                del self.objects[temporary.name]
                self.writes.append("discard")

    def facts(self, bucket: str) -> BucketFacts | None:
        return self.bucket_facts

    def check(self, bucket: str) -> None:
        if bucket not in self.buckets:
            raise Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND)

    def commit(
        self, name: DestinationName, data: bytes, checksum: bytes, attributes: Attributes, if_generation: int
    ) -> DestinationObject:
        with self._lock:
            self._require_bucket(name)
            current = self.stat(name)
            if (current.generation if current else 0) != if_generation:
                raise DestinationMoved
            if crc32c(data) != checksum:
                raise Transient(Reason.CHECKSUM_MISMATCH)
            self.writes.append("write")
            return self._store(name, data, _with_receipt(attributes), attributes)

    def _store(
        self, name: DestinationName, data: bytes, metadata: dict[str, str], attributes: Attributes | None
    ) -> DestinationObject:
        self.generations[name] = self.generations.get(name, 1000) + 1
        state = DestinationObject(
            name=name,
            generation=self.generations[name],
            metageneration=1,
            size=len(data),
            crc32c=crc32c(data),
            md5=hashlib.md5(data, usedforsecurity=False).digest(),
            receipt=decode(metadata),
            custom_time=attributes.custom_time if attributes else None,
            metadata=metadata,
        )
        self.objects[name] = Stored(state, data, attributes)
        return state

    def _require(self, current: DestinationObject) -> Stored:
        stored = self.objects.get(current.name)
        seen = current.generation, current.metageneration
        if stored is None or (stored.state.generation, stored.state.metageneration) != seen:
            raise DestinationMoved
        return stored

    def _require_bucket(self, name: DestinationName) -> None:
        if name.bucket not in self.buckets:
            raise Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND)


class _InMemorySession:
    def __init__(
        self, side: InMemoryDestination, name: DestinationName, size: int, attributes: Attributes, if_generation: int
    ) -> None:
        self._side, self._name, self._size = side, name, size
        self._attributes, self._if_generation = attributes, if_generation
        self._data = bytearray()
        self._finished: DestinationObject | None = None

    def append(self, offset: int, length: int, chunks: Iterator[memoryview]) -> int:
        assert length % UPLOAD_UNIT == 0
        assert offset + length < self._size
        assert offset == len(self._data), "the core resumed somewhere else than it was told"
        received = bytearray()
        for chunk in chunks:
            received += chunk
        assert len(received) == length
        kept = self._side.on_append(offset, length) // UPLOAD_UNIT * UPLOAD_UNIT
        self._data += received[:kept]
        return len(self._data)

    def finish(self, offset: int, chunk: bytes, crc32c: bytes) -> DestinationObject:
        if self._finished is None:
            data = bytes(self._data[:offset]) + chunk
            assert len(data) == self._size
            self._finished = self._side.commit(self._name, data, crc32c, self._attributes, self._if_generation)
        return self._finished

    def cancel(self) -> None:
        self._data.clear()


def _with_receipt(attributes: Attributes) -> dict[str, str]:
    receipt = {METADATA_KEY: encode(attributes.receipt)} if attributes.receipt else {}
    return {**attributes.metadata, **receipt}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class InMemoryTopic:
    """A topic with these subscriptions. `published` has what it was given."""

    def __init__(self, *subscriptions: str) -> None:
        self.followers = frozenset(subscriptions)
        self.published: list[tuple[bytes, dict[str, str]]] = []

    def subscriptions(self) -> frozenset[str]:
        return self.followers

    def publish(self, data: bytes, attributes: dict[str, str]) -> str:
        self.published.append((data, attributes))
        return str(len(self.published))


class InMemoryDeadLetters:
    """The dead letters of a subscription. `on_call` runs before each call, with its name, and may raise.

    Each time that a message is pulled it has another handle. `letters` has those not acknowledged, by their ids.
    """

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.clock = clock or Clock()
        self.letters: dict[str, DeadLetter] = {}
        self.hidden_until: dict[str, float] = {}
        self.on_call: Callable[[str], None] = lambda name: None
        self._handles: dict[str, str] = {}
        self._numbers = itertools.count(1)

    @property
    def held(self) -> list[str]:
        return [message_id for message_id in self.letters if self.hidden_until[message_id] > self.clock()]

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> str:
        """As to the dead-letter topic; attributes that begin as Pub/Sub's own say when and how often."""
        message_id = f"m{next(self._numbers)}"
        own = {name: value for name, value in attributes.items() if not name.startswith(ADDED)}
        count, published = (attributes.get(f"{ADDED}{name}", "") for name in ("DeliveryCount", "TopicPublishTime"))
        known = re.fullmatch(r"[-\d]+T[:\d.]+\+00:00", published)
        self.letters[message_id] = DeadLetter(
            "",
            message_id,
            data,
            own,
            datetime.fromisoformat(published) if known else datetime.now(UTC),
            int(count) if re.fullmatch(r"[0-9]{1,9}", count) else None,
        )
        self.hidden_until[message_id] = 0.0
        return message_id

    def pull(self, most: int) -> Sequence[DeadLetter]:
        self.on_call("pull")
        assert most > 0, "Pub/Sub refuses to give out nothing"
        free = [message_id for message_id in self.letters if message_id not in self.held][:most]
        handles = {message_id: f"h{next(self._numbers)}" for message_id in free}
        self._handles |= {handle: message_id for message_id, handle in handles.items()}
        self._hide(list(handles.values()), LEASE)
        return [replace(self.letters[message_id], handle=handle) for message_id, handle in handles.items()]

    def extend(self, handles: Sequence[str]) -> None:
        self.on_call("extend")
        self._hide(handles, LEASE)

    def release(self, handles: Sequence[str]) -> None:
        self.on_call("release")
        self._hide(handles, 0)

    def acknowledge(self, handles: Sequence[str]) -> None:
        self.on_call("acknowledge")
        for handle in handles:
            self.letters.pop(self._handles[handle], None)

    def _hide(self, handles: Sequence[str], seconds: float) -> None:
        self.hidden_until |= {self._handles[handle]: self.clock() + seconds for handle in handles}
