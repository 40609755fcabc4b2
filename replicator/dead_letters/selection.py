"""Which dead letters are meant. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from replicator.dead_letters.inspection import Aspect, Inspection
from replicator.reasons import Reason
from replicator.rules import Glob


@dataclass(frozen=True, slots=True)
class Selection:
    """All that is given must hold; of a message that says several things, for one of them. Nothing given means all.

    `reasons` are those that may be; a message is as old as the time since it was published.
    """

    reasons: frozenset[Reason] = frozenset()
    rule: str | None = None
    key: Glob | None = None
    older_than: timedelta | None = None
    newer_than: timedelta | None = None
    mended: bool = False

    def includes(self, found: Inspection, now: datetime) -> bool:
        age = now - found.letter.published_at
        if self.older_than is not None and age < self.older_than:
            return False
        if self.newer_than is not None and age > self.newer_than:
            return False
        if self.mended and not found.mended:
            return False
        return any(self._means(aspect) for aspect in found.aspects)

    def _means(self, aspect: Aspect) -> bool:
        if self.reasons and aspect.reason not in self.reasons:
            return False
        if self.rule is not None and self.rule not in aspect.rules:
            return False
        return self.key is None or (aspect.key is not None and self.key.matches(aspect.key))
