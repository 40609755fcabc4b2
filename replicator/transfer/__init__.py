"""Moves one pinned object's bytes from the source to a conditional write at the destination, verified on the way."""

from replicator.transfer.transfer import Copied, Transfer, Unwatched

__all__ = ["Copied", "Transfer", "Unwatched"]
