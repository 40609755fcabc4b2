"""The engine and the publisher on the real services, or on whatever the SDKs' own variables name instead."""

from concurrent.futures import ThreadPoolExecutor

from replicator.adapters.google_identity import CLOUD_PLATFORM
from replicator.bootstrap.configuration import google_identity, load_rules
from replicator.bootstrap.memory import default_budget
from replicator.bootstrap.source import build_source
from replicator.ending import Ending
from replicator.engine import Engine, RetryPolicy
from replicator.ports import Progress, Publisher
from replicator.reconcile import Reconciler
from replicator.settings import MIN_MEMORY_BUDGET, EngineSettings, ServerSettings, load_env_file
from replicator.transfer import Memory, Transfer, Unwatched, parts_at_once

COMMAND_LINE_CONCURRENCY = 16
"""Destinations of one command that are made equal at once (`DESTINATIONS_AT_ONCE` of the engine)."""


def build_engine(
    settings: EngineSettings, concurrency: int, progress: Progress | None = None, ending: Ending | None = None
) -> Engine:
    """`concurrency` is how many requests are served at once; `progress` watches the copies under way, which stop at the
    process's `ending`.

    Raises `ConfigurationError`, and `Transient(credentials_unavailable)`.
    """
    from replicator.adapters import gcs  # noqa: PLC0415  what a target does not use is not imported

    budget = settings.memory_budget or default_budget(MIN_MEMORY_BUDGET)
    # Each request and each part that is under way uses one connection to a side at a time.
    workers = parts_at_once(budget)
    pool_size = concurrency + workers
    rules, identity = load_rules(settings), google_identity(settings)
    source = build_source(settings, rules, identity, pool_size)
    credentials = None if settings.storage_emulator_host else identity.credentials(gcs.SCOPE)
    destination = gcs.GcsDestination(gcs.connect(credentials, pool_size))
    transfer = Transfer(
        source,
        destination,
        settings.chunk_size,
        progress or Unwatched(),
        Memory(budget),
        ThreadPoolExecutor(workers, "parts"),
        settings.deadline_seconds,
    )
    retry = RetryPolicy(settings.max_retries, settings.retry_delay, settings.retry_backoff)
    reconciler = Reconciler(source, destination, transfer, rules)
    return Engine(rules, reconciler, retry, settings.deadline_seconds, ending or Ending())


def command_line_engine(progress: Progress | None) -> Engine:
    """The engine of one command: the settings and rules of the service. Raises `ConfigurationError`."""
    load_env_file()
    return build_engine(EngineSettings.load(), COMMAND_LINE_CONCURRENCY, progress)


def build_publisher(settings: ServerSettings, topic: str) -> Publisher:
    """The publisher on the real Pub/Sub, or on the emulator that `PUBSUB_EMULATOR_HOST` names."""
    from replicator.adapters import pubsub  # noqa: PLC0415

    emulator = settings.pubsub_emulator_host
    credentials = None if emulator else google_identity(settings).credentials(CLOUD_PLATFORM)
    return pubsub.PubsubPublisher(pubsub.connect(credentials, emulator), topic)
