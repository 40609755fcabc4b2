"""The composition root: the only place where adapters meet the core.

Clients are built when a process first needs them, never at import: gunicorn may fork after that, and neither
clients nor threads survive a fork.
"""

from replicator.bootstrap.configuration import check_configuration, configured_target
from replicator.bootstrap.dead_letters import dead_letters, replaying_publisher
from replicator.bootstrap.engine import build_engine, build_publisher, command_line_engine
from replicator.bootstrap.targets import ending, ingest_doors, replicate_doors

__all__ = [
    "build_engine",
    "build_publisher",
    "check_configuration",
    "command_line_engine",
    "configured_target",
    "dead_letters",
    "ending",
    "ingest_doors",
    "replaying_publisher",
    "replicate_doors",
]
