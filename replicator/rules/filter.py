"""Which objects of a source bucket a rule is for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from replicator.model import SourceObject
from replicator.reasons import Reason
from replicator.rules.glob import Glob


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given must hold. Sizes are in bytes, both bounds included.

    Prefix, suffix and glob (`Glob`) are matched against the whole key. An invalid glob raises `GlobError` here.
    """

    prefix: str = ""
    suffix: str = ""
    glob: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.glob is not None:
            _glob(self.glob)

    @property
    def only_by_prefix_and_suffix(self) -> bool:
        """Whether prefix and suffix alone tell which objects pass."""
        return self.glob is None and self.min_size is None and self.max_size is None and not self.tags

    @property
    def looks_at_object(self) -> bool:
        """Whether the key alone does not settle it."""
        return self.min_size is not None or self.max_size is not None or bool(self.tags)

    def mismatch_of_key(self, key: str) -> Reason | None:
        """Why no object of this key passes, or `None`."""
        if not key.startswith(self.prefix):
            return Reason.FILTERED_BY_PREFIX
        if not key.endswith(self.suffix):
            return Reason.FILTERED_BY_SUFFIX
        if self.glob is not None and not _glob(self.glob).matches(key):
            return Reason.FILTERED_BY_GLOB
        return None

    def mismatch_of_object(self, source: SourceObject) -> Reason | None:
        """Why this object, whose key passes, does not; or `None`."""
        too_small = self.min_size is not None and source.size < self.min_size
        too_large = self.max_size is not None and source.size > self.max_size
        if too_small or too_large:
            return Reason.FILTERED_BY_SIZE
        if not self.tags.items() <= source.tags.items():
            return Reason.FILTERED_BY_TAGS
        return None


@cache
def _glob(text: str) -> Glob:
    return Glob(text)
