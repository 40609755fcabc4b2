"""Reads each bucket with the access that its rules give."""

from collections.abc import Mapping
from contextlib import AbstractContextManager

from replicator.errors import Permanent
from replicator.model import Checksum, CompositeChecksum, SourceKey, SourceObject
from replicator.ports import Body, Source
from replicator.reasons import Reason


class SourceByBucket:
    """The port `Source` on several: source buckets may belong to different AWS accounts.

    A bucket that is in no rule is refused as `bucket_not_in_rules`; it is not asked for at all.
    """

    def __init__(self, sources: Mapping[str, Source]) -> None:
        self._sources = sources

    def stat(self, key: SourceKey) -> SourceObject | None:
        return self._of(key.bucket).stat(key)

    def read(self, key: SourceKey) -> AbstractContextManager[tuple[SourceObject, Body] | None]:
        return self._of(key.bucket).read(key)

    def open(self, source: SourceObject, offset: int = 0, length: int | None = None) -> AbstractContextManager[Body]:
        return self._of(source.key.bucket).open(source, offset, length)

    def checksum(self, source: SourceObject) -> Checksum | CompositeChecksum | None:
        return self._of(source.key.bucket).checksum(source)

    def check(self, bucket: str) -> None:
        self._of(bucket).check(bucket)

    def _of(self, bucket: str) -> Source:
        if bucket not in self._sources:
            raise Permanent(Reason.BUCKET_NOT_IN_RULES)
        return self._sources[bucket]
