"""One bucket as the store keeps it: its live objects by name, and the noncurrent ones of a bucket with versions."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from replicator.dev.cloud_storage.contents import Content
from replicator.dev.cloud_storage.messages import not_found
from replicator.dev.cloud_storage.records import BucketRecord, ObjectRecord, ObjectRef, format_time

Kept = tuple[ObjectRecord, Content]


@dataclass(slots=True)
class Bucket:
    """Used under the store's lock only."""

    record: BucketRecord
    objects: dict[str, Kept] = field(default_factory=dict)
    noncurrent: dict[tuple[str, int], Kept] = field(default_factory=dict)
    last_generation: int = 0

    @property
    def keeps_versions(self) -> bool:
        """https://cloud.google.com/storage/docs/object-versioning"""
        return bool(self.record.settings.get("versioning", {}).get("enabled"))

    @property
    def has_autoclass(self) -> bool:
        """https://cloud.google.com/storage/docs/autoclass"""
        return bool(self.record.settings.get("autoclass", {}).get("enabled"))

    def next_generation(self) -> int:
        """Microseconds since 1970, and always more than the one before, in a fast loop or after a clock's step."""
        self.last_generation = max(time.time_ns() // 1000, self.last_generation + 1)
        return self.last_generation

    def records(self, *, versions: bool) -> list[ObjectRecord]:
        """Sorted by name and generation; code points sort as UTF-8 bytes do."""
        kept = [*self.objects.values(), *(self.noncurrent.values() if versions else ())]
        return sorted((record for record, _ in kept), key=lambda record: (record.name, record.generation))

    def live(self, ref: ObjectRef) -> Kept:
        """The live object, if it is the generation that is meant. Raises ApiError (404)."""
        found = self.objects.get(ref.name)
        if found is None or ref.generation not in (None, found[0].generation):
            raise not_found(f"No such object: {ref.bucket}/{ref.name}")
        return found

    def find(self, ref: ObjectRef) -> Kept:
        """The live object, or the noncurrent generation that is meant. Raises ApiError (404)."""
        return self.noncurrent.get((ref.name, ref.generation or 0)) or self.live(ref)

    def retire(self, record: ObjectRecord, content: Content) -> None:
        """It was live, and is noncurrent from now on."""
        noncurrent = replace(record, time_deleted=format_time(time.time_ns() // 1000))
        self.noncurrent[record.name, record.generation] = noncurrent, content
