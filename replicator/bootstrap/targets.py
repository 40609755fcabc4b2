"""The doors of each target, the same for a whole process."""

from replicator.bootstrap.engine import build_engine, build_publisher
from replicator.bootstrap.guard import build_guard
from replicator.bootstrap.telemetry import start_telemetry
from replicator.ending import Ending
from replicator.once import once
from replicator.settings import IngestSettings, ReplicateSettings
from replicator.web.gate import Gate
from replicator.web.ingest import IngestDoors
from replicator.web.replicate import ReplicateDoors

ending = Ending()
"""Of this process."""


def _build_replicate_doors() -> ReplicateDoors:
    settings = ReplicateSettings.load()
    meters = start_telemetry(settings)
    topic = settings.pubsub_topic
    publisher = once(lambda: build_publisher(settings, topic)) if topic else None
    engine = once(lambda: build_engine(settings, settings.concurrency, meters, ending))
    return ReplicateDoors(engine, publisher, build_guard(settings), Gate(settings.concurrency, ending))


def _build_ingest_doors() -> IngestDoors:
    settings = IngestSettings.load()
    start_telemetry(settings)
    secrets = [secret.get_secret_value() for secret in settings.ingest_secrets]
    publisher = once(lambda: build_publisher(settings, settings.pubsub_topic))
    return IngestDoors(publisher, secrets, Gate(settings.concurrency, ending))


replicate_doors = once(_build_replicate_doors)
ingest_doors = once(_build_ingest_doors)
