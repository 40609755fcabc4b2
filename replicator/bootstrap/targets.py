"""The doors of each target, the same for a whole process."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TypeVar

from replicator.bootstrap.engine import build_engine, build_publisher
from replicator.bootstrap.seeing import see
from replicator.settings import IngestSettings, ReplicateSettings
from replicator.web.ingest import IngestDoors
from replicator.web.replicate import ReplicateDoors

T = TypeVar("T")


def _once(build: Callable[[], T]) -> Callable[[], T]:
    """Builds at the first call, in one thread while the others wait; a build that fails is tried again."""
    lock, built = Lock(), cache(build)

    def get() -> T:
        with lock:
            return built()

    return get


def _build_replicate_doors() -> ReplicateDoors:
    settings = ReplicateSettings.load()
    meters = see(settings)
    return ReplicateDoors(_once(lambda: build_engine(settings, settings.concurrency, meters)))


def _build_ingest_doors() -> IngestDoors:
    settings = IngestSettings.load()
    see(settings)
    secrets = [secret.get_secret_value() for secret in settings.ingest_secrets]
    return IngestDoors(_once(lambda: build_publisher(settings)), secrets)


replicate_doors = _once(_build_replicate_doors)
ingest_doors = _once(_build_ingest_doors)
