"""The engine and the publisher on the real services, or on whatever the SDKs' own variables name instead."""

from threading import Semaphore

from replicator.adapters.google_identity import CLOUD_PLATFORM
from replicator.bootstrap.configuration import google_identity, load_rules
from replicator.bootstrap.source import build_source
from replicator.engine import Engine, RetryPolicy
from replicator.ports import Progress, Publisher
from replicator.reconcile import Reconciler
from replicator.settings import EngineSettings, ServerSettings, load_env_file
from replicator.transfer import Transfer, Unwatched

COMMAND_LINE_CONCURRENCY = 16
"""Destinations that one command keeps connections for; of more, some connections are opened anew."""


def build_engine(settings: EngineSettings, concurrency: int, progress: Progress | None = None) -> Engine:
    """`concurrency` is how many copies may be under way at once; `progress` watches them.

    Raises `ConfigurationError`, and `Transient(credentials_unavailable)`.
    """
    from replicator.adapters import gcs  # noqa: PLC0415  what a target does not use is not imported

    # A copy uses one connection to read and one to write. The protocol's other requests may be more for a moment: then
    # connections are opened anew.
    pool_size = concurrency
    rules, identity = load_rules(settings), google_identity(settings)
    source = build_source(settings, rules, identity, pool_size)
    credentials = None if settings.storage_emulator_host else identity.credentials(gcs.SCOPE)
    destination = gcs.GcsDestination(gcs.connect(credentials, pool_size), pool_size)
    transfer = Transfer(source, destination, settings.chunk_size, progress or Unwatched(), Semaphore(concurrency))
    retry = RetryPolicy(settings.max_retries, settings.retry_delay, settings.retry_backoff)
    return Engine(rules, Reconciler(source, destination, transfer, rules), retry, settings.deadline_seconds)


def command_line_engine(progress: Progress | None) -> Engine:
    """The engine of one command: the settings and rules of the service. Raises `ConfigurationError`."""
    load_env_file()
    return build_engine(EngineSettings.load(), COMMAND_LINE_CONCURRENCY, progress)


def build_publisher(settings: ServerSettings, topic: str) -> Publisher:
    """The publisher on the real Pub/Sub, or on the emulator that `PUBSUB_EMULATOR_HOST` names."""
    from replicator.adapters import pubsub  # noqa: PLC0415

    emulated = settings.pubsub_emulator_host is not None
    credentials = None if emulated else google_identity(settings).credentials(CLOUD_PLATFORM)
    return pubsub.PubsubPublisher(pubsub.connect(credentials), topic)
