"""The buckets and their objects: every condition is judged, and its write done, in one locked step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from threading import RLock

from replicator.dev.cloud_storage.attributes import Attributes
from replicator.dev.cloud_storage.bucket import Bucket
from replicator.dev.cloud_storage.checksums import Expected
from replicator.dev.cloud_storage.contents import Content, Draft, Medium, Reader
from replicator.dev.cloud_storage.messages import ApiError, invalid, not_found
from replicator.dev.cloud_storage.preconditions import Preconditions
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord, ObjectRef, format_time
from replicator.dev.cloud_storage.retention import guard_retention

NOTHING_EXPECTED = Expected()
UNCONDITIONAL = Preconditions()


@dataclass(frozen=True, slots=True)
class Source:
    """An object to read from, and the conditions it must meet when the result becomes visible."""

    ref: ObjectRef
    preconditions: Preconditions = UNCONDITIONAL


class Store:
    """All methods may be called from any thread, and raise ApiError: 404 for what does not exist, 412 or 304
    for a condition that does not hold, 400 for a checksum that differs, 403 for a retention period, 409 for a
    bucket that exists or is not empty. A call that raises has changed nothing.
    """

    def __init__(self, medium: Medium, *, report_md5: bool) -> None:
        self._medium = medium
        self._report_md5 = report_md5
        self._lock = RLock()
        self._buckets: dict[str, Bucket] = {}
        for record, objects in medium.load():
            last = max((kept.generation for kept, _ in objects), default=0)
            live = {kept.name: (kept, content) for kept, content in objects}
            self._buckets[record.name] = Bucket(record, live, last_generation=last)

    def create_bucket(self, record: BucketRecord) -> BucketRecord:
        with self._lock:
            if record.name in self._buckets:
                raise ApiError(409, "conflict", f"The bucket {record.name} exists already, and is yours.")
            self._medium.add_bucket(record)
            self._buckets[record.name] = Bucket(record)
            return record

    def bucket(self, name: str) -> BucketRecord:
        with self._lock:
            return self._bucket(name).record

    def buckets(self) -> list[BucketRecord]:
        with self._lock:
            return [self._buckets[name].record for name in sorted(self._buckets)]

    def delete_bucket(self, name: str) -> None:
        with self._lock:
            bucket = self._bucket(name)
            if bucket.objects or bucket.noncurrent:
                raise ApiError(409, "conflict", "The bucket you tried to delete is not empty.")
            self._medium.remove_bucket(bucket.record)
            del self._buckets[name]

    def records(self, bucket: str, *, versions: bool = False) -> list[ObjectRecord]:
        """The live objects of a bucket, and with `versions` the noncurrent ones too, sorted by name and generation."""
        with self._lock:
            return self._bucket(bucket).records(versions=versions)

    def get(self, ref: ObjectRef, preconditions: Preconditions = UNCONDITIONAL) -> ObjectRecord:
        with self._lock:
            record, _ = self._bucket(ref.bucket).find(ref)
            preconditions.check(record, reading=True)
            return record

    def open(self, ref: ObjectRef, preconditions: Preconditions = UNCONDITIONAL) -> tuple[ObjectRecord, Reader]:
        """The record together with exactly its bytes, whatever happens to the object from now on."""
        with self._lock:
            record, content = self._bucket(ref.bucket).find(ref)
            preconditions.check(record, reading=True)
            return record, self._open(record, content)

    def room(self, size: int) -> memoryview:
        """Memory for the next block of bytes that is received for a draft."""
        return self._medium.room(size)

    def draft(self, expected: Expected = NOTHING_EXPECTED) -> Draft:
        """Room for the bytes of a new object. Whoever takes it inserts or discards it."""
        return Draft(self._medium.stage(), with_md5=self._report_md5 or expected.md5 is not None)

    @contextmanager
    def drafting(self, expected: Expected = NOTHING_EXPECTED) -> Iterator[Draft]:
        """A draft that is discarded in the end, unless it was inserted."""
        draft = self.draft(expected)
        try:
            yield draft
        finally:
            draft.discard()

    def insert(
        self,
        target: ObjectRef,
        attributes: Attributes,
        draft: Draft,
        preconditions: Preconditions,
        expected: Expected = NOTHING_EXPECTED,
    ) -> ObjectRecord:
        """Make the draft the live object."""
        expected.check(draft.checksums)
        return self._commit(target, attributes, draft, preconditions)

    def compose(
        self,
        target: ObjectRef,
        attributes: Attributes,
        sources: Sequence[Source],
        preconditions: Preconditions,
        *,
        delete_sources: bool,
    ) -> ObjectRecord:
        """Concatenate the sources. Their bytes are copied outside the lock, from the generations found first."""
        with self.drafting() as draft:
            pinned = [self._pin(source) for source in sources]
            attributes = self._of_one_class(attributes, [record for record, _ in pinned])
            for record, reader in pinned:
                draft.append(record, reader)
            count = sum(record.component_count or 1 for record, _ in pinned)
            with self._lock:
                self._check_again(sources)
                doomed = self._still_live([record for record, _ in pinned]) if delete_sources else {}
                for record, _ in doomed.values():
                    guard_retention(self._bucket(record.bucket).record, record)
                composed = self._commit(target, attributes, draft, preconditions, component_count=count)
                doomed.pop(target.name, None)  # a source that was the target is replaced already
                for record, content in doomed.values():
                    self._remove(record, content)
                return composed

    def copy(
        self,
        source: Source,
        target: ObjectRef,
        attributes: Callable[[ObjectRecord], Attributes],
        preconditions: Preconditions,
    ) -> ObjectRecord:
        """Copy one object, with the attributes made from the source's record."""
        with self.drafting() as draft:
            record, reader = self._pin(source)
            draft.append(record, reader)
            with self._lock:
                self._check_again([source])
                chosen = attributes(record)
                return self._commit(
                    target, chosen, draft, preconditions, md5=record.md5, component_count=record.component_count
                )

    def change(
        self, ref: ObjectRef, preconditions: Preconditions, change: Callable[[Attributes], Attributes]
    ) -> ObjectRecord:
        """New attributes for the same generation: the metageneration rises."""
        with self._lock:
            record, content = self._bucket(ref.bucket).live(ref)
            preconditions.check(record)
            changed = replace(
                record,
                attributes=change(record.attributes),
                metageneration=record.metageneration + 1,
                updated=format_time(time.time_ns() // 1000),
            )
            self._medium.update(changed, content)
            self._buckets[ref.bucket].objects[ref.name] = (changed, content)
            return changed

    def delete(self, ref: ObjectRef, preconditions: Preconditions = UNCONDITIONAL) -> None:
        """Without a generation, a bucket that keeps versions keeps this one as noncurrent."""
        with self._lock:
            record, content = self._bucket(ref.bucket).find(ref)
            preconditions.check(record)
            bucket = self._bucket(ref.bucket)
            if ref.generation is None and self._retires(bucket):
                guard_retention(bucket.record, record)
                bucket.retire(record, content)
                del bucket.objects[ref.name]
            else:
                self._remove(record, content)

    def _commit(
        self,
        target: ObjectRef,
        attributes: Attributes,
        draft: Draft,
        preconditions: Preconditions,
        *,
        md5: str | None = None,
        component_count: int | None = None,
    ) -> ObjectRecord:
        with self._lock:
            bucket = self._bucket(target.bucket)
            live = bucket.objects.get(target.name)
            preconditions.check(live[0] if live else None)
            if live:
                guard_retention(bucket.record, live[0])
            generation = bucket.next_generation()
            now = format_time(generation)
            attributes = {"storageClass": bucket.record.settings["storageClass"], **attributes}
            if bucket.has_autoclass:
                attributes["storageClass"] = "STANDARD"
            if bucket.record.settings.get("defaultEventBasedHold"):
                attributes["eventBasedHold"] = True
            record = ObjectRecord(
                bucket=target.bucket,
                name=target.name,
                generation=generation,
                time_created=now,
                updated=now,
                size=draft.size,
                crc32c=draft.checksums.crc32c,
                md5=md5 or draft.checksums.md5,
                component_count=component_count,
                attributes=attributes,
            )
            content = self._medium.publish(draft.staging, record, live[1] if live else None)
            bucket.objects[target.name] = (record, content)
            if live and self._retires(bucket):
                bucket.retire(*live)
            return record

    def _of_one_class(self, attributes: Attributes, sources: Sequence[ObjectRecord]) -> Attributes:
        """A composite object has the one storage class that its sources have. Raises ApiError (400).

        https://cloud.google.com/storage/docs/composite-objects
        """
        if self._bucket(sources[0].bucket).has_autoclass:
            return attributes
        classes = {record.attributes["storageClass"] for record in sources}
        if len(classes | {attributes.get("storageClass") or next(iter(classes))}) > 1:
            raise invalid("The source objects and the composite object must have the same storage class")
        return {**attributes, "storageClass": classes.pop()}

    def _retires(self, bucket: Bucket) -> bool:
        return bucket.keeps_versions and self._medium.keeps_versions

    def _pin(self, source: Source) -> tuple[ObjectRecord, Reader]:
        with self._lock:
            record, content = self._bucket(source.ref.bucket).find(source.ref)
            source.preconditions.check(record)
            return record, self._open(record, content)

    def _check_again(self, sources: Sequence[Source]) -> None:
        for source in sources:
            if source.preconditions != UNCONDITIONAL:
                live = self._bucket(source.ref.bucket).objects.get(source.ref.name)
                source.preconditions.check(live[0] if live else None)

    def _still_live(self, records: Sequence[ObjectRecord]) -> dict[str, tuple[ObjectRecord, Content]]:
        objects = self._bucket(records[0].bucket).objects
        live = {record.name: objects[record.name] for record in records if record.name in objects}
        wanted = {record.name: record.generation for record in records}
        return {name: found for name, found in live.items() if found[0].generation == wanted[name]}

    def _remove(self, record: ObjectRecord, content: Content) -> None:
        bucket = self._bucket(record.bucket)
        guard_retention(bucket.record, record)
        if bucket.noncurrent.pop((record.name, record.generation), None) is None:
            self._medium.remove(record, content)
            del bucket.objects[record.name]

    def _bucket(self, name: str) -> Bucket:
        if name not in self._buckets:
            raise not_found("The specified bucket does not exist.")
        return self._buckets[name]

    def _open(self, record: ObjectRecord, content: Content) -> Reader:
        try:
            return content.open()
        except FileNotFoundError as error:
            raise not_found(f"No such object: {record.bucket}/{record.name}") from error
