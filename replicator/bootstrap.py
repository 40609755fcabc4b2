"""The composition root: the only place where adapters meet the core.

Clients are built when a process first needs them, never at import: gunicorn may fork after that, and neither
clients nor threads survive a fork.
"""

import atexit
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from replicator.engine import Engine, RetryPolicy
from replicator.errors import ReplicationError
from replicator.ports import KeyStore, Progress, Publisher
from replicator.reconcile import Reconciler
from replicator.rules import MAX_BYTES, SECRET_RESOURCE, RulesError, RuleSet, parse_rules
from replicator.settings import (
    ConfigurationError,
    EngineSettings,
    IngestSettings,
    Metrics,
    ReplicateSettings,
    ServerSettings,
    Target,
    load_env_file,
)
from replicator.telemetry import configure, log_unexpected, record_with
from replicator.transfer import Transfer, Unwatched
from replicator.web.ingest import IngestDoors
from replicator.web.replicate import ReplicateDoors

if TYPE_CHECKING:
    from replicator.telemetry.metrics import Metrics as Meters

T = TypeVar("T")

METRICS_FLUSH_SECONDS = 2
"""How long the end of a process waits for its last metrics: Cloud Run kills it 10 s after SIGTERM."""


COMMAND_LINE_CONCURRENCY = 16
"""Destinations that one command keeps connections for; of more, some connections are opened anew."""


def check_configuration() -> None:
    """Stops the process, naming the variable, when the target that it is to run is not configured."""
    try:
        configured_target()
    except ConfigurationError as error:
        raise SystemExit(f"configuration: {error}") from None


def configured_target() -> Target:
    """The target that this process is to run. Raises `ConfigurationError` when that is not configured."""
    load_env_file()
    target = ServerSettings.load().function_target
    if target is Target.INGEST:
        IngestSettings.load()
    else:
        load_rules(ReplicateSettings.load())
    return target


def command_line_engine(progress: Progress | None) -> Engine:
    """The engine of one command: the settings and rules of the service. Raises `ConfigurationError`."""
    load_env_file()
    return build_engine(EngineSettings.load(), COMMAND_LINE_CONCURRENCY, progress)


def load_rules(settings: EngineSettings) -> RuleSet:
    """The rules, wherever they are. Raises `ConfigurationError`, which names the rule and the field.

    They are read once for a process and those it forks: a changed file or secret takes effect with the next revision.
    """
    if settings.rules is not None:
        return settings.rules
    try:
        return _read_rules(str(settings.replication_rules))
    except RulesError as error:
        raise ConfigurationError(f"REPLICATION_RULES: {error}") from None
    except OSError as error:
        raise ConfigurationError(f"REPLICATION_RULES: the file cannot be read: {error.strerror}") from None
    except ReplicationError as error:
        raise ConfigurationError(f"REPLICATION_RULES: {error.detail}") from None


@cache
def _read_rules(given: str) -> RuleSet:
    """From the document itself, or from the secret or the file that holds it."""
    if "\n" in given or given.lstrip().startswith(("{", "[", "rules:")):
        return parse_rules(given)
    if re.fullmatch(SECRET_RESOURCE, given):
        from replicator.adapters import secrets  # noqa: PLC0415

        with secrets.connect_without_threads() as client:
            return parse_rules(secrets.read_secret(client, given))
    with Path(given).open("rb") as file:
        return parse_rules(file.read(MAX_BYTES + 1))


def build_engine(settings: EngineSettings, concurrency: int, progress: Progress | None = None) -> Engine:
    """The engine on the real S3 and Cloud Storage, or on whatever the SDKs' own variables name instead.

    `concurrency` is how many objects may be replicated at once; `progress` watches the copies.
    """
    from replicator.adapters import gcs, s3  # noqa: PLC0415  what a target does not use is not imported

    # A stream uses one connection to read and one to write; the protocol's other requests come before and after it.
    pool_size = concurrency
    keys = _key_store(settings)
    source = s3.S3Source(s3.connect(keys, settings.aws_region, pool_size), keys)
    emulated = settings.storage_emulator_host is not None
    destination = gcs.GcsDestination(gcs.connect(emulated, pool_size), pool_size)
    transfer = Transfer(source, destination, settings.chunk_size, progress or Unwatched())
    retry = RetryPolicy(settings.max_retries, settings.retry_delay, settings.retry_backoff)
    rules = load_rules(settings)
    reconciler = Reconciler(source, destination, transfer, rules)
    return Engine(rules, reconciler, retry, settings.deadline_seconds)


def build_publisher(settings: IngestSettings) -> Publisher:
    """The publisher on the real Pub/Sub, or on the emulator that `PUBSUB_EMULATOR_HOST` names."""
    from replicator.adapters import pubsub  # noqa: PLC0415

    return pubsub.PubsubPublisher(pubsub.connect(), settings.pubsub_topic)


def _once(build: Callable[[], T]) -> Callable[[], T]:
    """Builds at the first call, in one thread while the others wait; a build that fails is tried again."""
    lock, built = Lock(), cache(build)

    def get() -> T:
        with lock:
            return built()

    return get


def _build_replicate_doors() -> ReplicateDoors:
    settings = ReplicateSettings.load()
    meters = _see(settings)
    return ReplicateDoors(_once(lambda: build_engine(settings, settings.concurrency, meters)))


def _build_ingest_doors() -> IngestDoors:
    settings = IngestSettings.load()
    _see(settings)
    secrets = [secret.get_secret_value() for secret in settings.ingest_secrets]
    return IngestDoors(_once(lambda: build_publisher(settings)), secrets)


def _see(settings: ServerSettings) -> "Meters | None":
    """Sets up the lines and, where they are configured, the metrics of this process."""
    configure(settings.log_level, settings.google_cloud_project)
    if settings.metrics is Metrics.NONE:
        return None
    try:
        meters = _build_meters(settings)
    except Exception as error:  # an exporter that cannot be built, for want of credentials perhaps, must stop no copy
        log_unexpected(error)
        return None
    record_with(meters.record)
    atexit.register(meters.close, METRICS_FLUSH_SECONDS)
    return meters


def _build_meters(settings: ServerSettings) -> "Meters":
    from replicator.telemetry import export, metrics  # noqa: PLC0415  nothing of it is imported without need

    if settings.metrics is Metrics.OTLP:
        reader = export.otlp_reader()
    else:
        reader = export.cloud_monitoring_reader(settings.google_cloud_project)
    return metrics.Metrics(reader, settings.function_target)


def _key_store(settings: EngineSettings) -> KeyStore | None:
    if settings.aws_credentials_secret is None:
        return None
    from replicator.adapters import secrets  # noqa: PLC0415

    return secrets.SecretManagerKeys(
        secrets.connect(), settings.aws_credentials_secret, settings.aws_credentials_max_age
    )


replicate_doors = _once(_build_replicate_doors)
"""The doors of the target `replicate`, the same for the whole process."""

ingest_doors = _once(_build_ingest_doors)
"""The doors of the target `ingest`, the same for the whole process."""
