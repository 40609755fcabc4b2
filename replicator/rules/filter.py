"""Which objects of a source bucket a rule is for."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from replicator.model import SourceObject
from replicator.reasons import Reason


@dataclass(frozen=True, slots=True)
class Filter:
    """All that is given must hold. Sizes are in bytes, both bounds included.

    A glob is matched against the whole key: `*` and `?` stay between slashes, `**` crosses them, `[…]` is a set.
    """

    prefix: str = ""
    suffix: str = ""
    glob: str | None = None
    min_size: int | None = None
    max_size: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

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
        if self.glob is not None and not _pattern(self.glob).fullmatch(key):
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


_GLOB_TOKEN = re.compile(
    r"(?P<any>\*\*)|(?P<run>\*)|(?P<one>\?)|\[(?P<not>!?)(?P<set>[^]]+)]|(?P<literal>.)", re.DOTALL
)


@cache
def _pattern(glob: str) -> re.Pattern[str]:
    return re.compile("".join(map(_translated, _GLOB_TOKEN.finditer(glob))), re.DOTALL)


def _translated(token: re.Match[str]) -> str:
    if token["any"]:
        return ".*"
    if token["run"]:
        return "[^/]*"
    if token["one"]:
        return "[^/]"
    if token["set"]:
        members = re.sub(r"([\\\[\]^&~|])", r"\\\1", token["set"])
        return f"[{'^/' if token['not'] else ''}{members}]"
    return re.escape(token["literal"])
