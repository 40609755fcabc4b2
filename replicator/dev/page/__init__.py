"""The local stack's page at `/dev`: both buckets, what becomes of each change, and a switch for faults."""

from replicator.dev.page.buckets import Buckets
from replicator.dev.page.hub import Hub
from replicator.dev.page.outcome import shown
from replicator.dev.page.routes import Parts
from replicator.dev.page.server import PageServer
from replicator.dev.page.switch import FaultSwitch

__all__ = ["Buckets", "FaultSwitch", "Hub", "PageServer", "Parts", "shown"]
