"""Moves one pinned object's bytes from the source to a conditional write at the destination, verified on the way."""

from replicator.transfer.memory import Memory
from replicator.transfer.plan import Path, PathReason, Sizes, parts_at_once
from replicator.transfer.transfer import Transfer, Unwatched

__all__ = ["Memory", "Path", "PathReason", "Sizes", "Transfer", "Unwatched", "parts_at_once"]
