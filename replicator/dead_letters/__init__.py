"""Dead letters: what stands in their way now, which of them are meant, and how they are held without being lost."""

from replicator.dead_letters.hold import Hold
from replicator.dead_letters.inspection import Aspect, Event, Inspection, inspect, inspect_all
from replicator.dead_letters.replay import renewed_attributes, require_delivery
from replicator.dead_letters.selection import Selection

__all__ = [
    "Aspect",
    "Event",
    "Hold",
    "Inspection",
    "Selection",
    "inspect",
    "inspect_all",
    "renewed_attributes",
    "require_delivery",
]
