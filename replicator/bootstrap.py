"""The composition root: the only place where adapters meet the core.

Clients are built when a process first needs them, never at import: gunicorn may fork after that, and neither
clients nor threads survive a fork.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from replicator.engine import Engine, RetryPolicy
from replicator.ports import KeyStore, Progress, Publisher, Source
from replicator.reconcile import Reconciler
from replicator.rules import Rule, SourceAccess
from replicator.settings import (
    ConfigurationError,
    EngineSettings,
    IngestSettings,
    ReplicateSettings,
    ServerSettings,
    Settings,
    Target,
    load_env_file,
)
from replicator.telemetry import configure
from replicator.transfer import Transfer, Unwatched
from replicator.web.ingest import IngestDoors
from replicator.web.replicate import ReplicateDoors

if TYPE_CHECKING:
    from replicator.adapters.google_identity import GoogleIdentity

T = TypeVar("T")


def check_configuration() -> None:
    """Stops the process, naming the variable, when the target that it is to run is not configured."""
    load_env_file()
    try:
        target = ServerSettings.load().function_target
        settings = (IngestSettings if target is Target.INGEST else ReplicateSettings).load()
        _google_identity(settings)
    except ConfigurationError as error:
        raise SystemExit(f"configuration: {error}") from None


def build_engine(settings: EngineSettings, concurrency: int, progress: Progress | None = None) -> Engine:
    """The engine on the real S3 and Cloud Storage, or on whatever the SDKs' own variables name instead.

    `concurrency` is how many objects may be replicated at once; `progress` watches the copies.
    """
    from replicator.adapters import gcs  # noqa: PLC0415  what a target does not use is not imported

    # A stream uses one connection to read and one to write; the protocol's other requests come before and after it.
    pool_size = concurrency
    identity = _google_identity(settings)
    source = _build_source(settings, identity, pool_size)
    credentials = None if settings.storage_emulator_host else identity.credentials(gcs.SCOPE)
    destination = gcs.GcsDestination(gcs.connect(credentials, pool_size), pool_size)
    transfer = Transfer(source, destination, settings.chunk_size, progress or Unwatched())
    retry = RetryPolicy(settings.max_retries, settings.retry_delay, settings.retry_backoff)
    reconciler = Reconciler(source, destination, transfer, settings.rules)
    return Engine(settings.rules, reconciler, retry, settings.deadline_seconds)


def build_publisher(settings: IngestSettings) -> Publisher:
    """The publisher on the real Pub/Sub, or on the emulator that `PUBSUB_EMULATOR_HOST` names."""
    from replicator.adapters import google_identity, pubsub  # noqa: PLC0415

    emulated = settings.pubsub_emulator_host is not None
    credentials = None if emulated else _google_identity(settings).credentials(google_identity.CLOUD_PLATFORM)
    return pubsub.PubsubPublisher(pubsub.connect(credentials), settings.pubsub_topic)


def _once(build: Callable[[], T]) -> Callable[[], T]:
    """Builds at the first call, in one thread while the others wait; a build that fails is tried again."""
    lock, built = Lock(), cache(build)

    def get() -> T:
        with lock:
            return built()

    return get


def _build_replicate_doors() -> ReplicateDoors:
    settings = ReplicateSettings.load()
    configure(settings.log_level, settings.google_cloud_project)
    return ReplicateDoors(_once(lambda: build_engine(settings, settings.concurrency)))


def _build_ingest_doors() -> IngestDoors:
    settings = IngestSettings.load()
    configure(settings.log_level, settings.google_cloud_project)
    secrets = [secret.get_secret_value() for secret in settings.ingest_secrets]
    return IngestDoors(_once(lambda: build_publisher(settings)), secrets)


def _google_identity(settings: Settings) -> "GoogleIdentity":
    """Raises `ConfigurationError`, naming the variable, where what is to be a key is none."""
    from replicator.adapters.google_identity import GoogleIdentity  # noqa: PLC0415

    given = settings.google_key()
    if given is None:
        return GoogleIdentity()
    variable, key = given
    try:
        return GoogleIdentity(key)
    except ValueError as error:
        raise ConfigurationError(f"{variable}: {error}") from None


def _build_source(settings: EngineSettings, identity: "GoogleIdentity", pool_size: int) -> Source:
    """Reads each bucket as its rules say. Buckets that are read in the same way share one client."""
    from replicator.adapters import s3, source_by_bucket  # noqa: PLC0415

    key_store = _key_stores(settings, identity)

    @cache
    def source(access: SourceAccess) -> Source:
        keys = key_store(access)
        return s3.S3Source(s3.connect(keys, settings.aws_region, pool_size, access.request_payer), keys)

    rules = [rule for rule in settings.rules.rules if rule.enabled]
    return source_by_bucket.SourceByBucket(
        {bucket: source(_access(rule, settings.access)) for rule in rules for bucket in rule.source_buckets}
    )


def _access(rule: Rule, default: SourceAccess) -> SourceAccess:
    """The rule's own keys, if it names any, and whoever agrees to pay."""
    keys = rule.access if rule.access.credentials_secret or rule.access.role_arn else default
    return replace(keys, request_payer=rule.access.request_payer or default.request_payer)


def _key_stores(settings: EngineSettings, identity: "GoogleIdentity") -> Callable[[SourceAccess], KeyStore | None]:
    """One key store for each secret and each role, however many rules use it; `None` leaves it to the AWS SDK."""
    from replicator.adapters.key_store import RefreshedKeys  # noqa: PLC0415

    @cache
    def of_secret(resource: str) -> KeyStore:
        from replicator.adapters import google_identity, key_payload, secrets  # noqa: PLC0415

        client = secrets.connect(identity.credentials(google_identity.CLOUD_PLATFORM))
        return RefreshedKeys(
            lambda: key_payload.parse_keys(secrets.read(client, resource)), settings.aws_credentials_max_age
        )

    @cache
    def of_role(role_arn: str) -> KeyStore:
        from replicator.adapters import sts  # noqa: PLC0415

        client = sts.connect(settings.aws_region)
        token = partial(identity.token, settings.aws_role_audience)
        return RefreshedKeys(lambda: sts.assume_role(client, role_arn, token), sts.MAX_AGE)

    def of(access: SourceAccess) -> KeyStore | None:
        if access.credentials_secret:
            return of_secret(access.credentials_secret)
        return of_role(access.role_arn) if access.role_arn else None

    return of


replicate_doors = _once(_build_replicate_doors)
"""The doors of the target `replicate`, the same for the whole process."""

ingest_doors = _once(_build_ingest_doors)
"""The doors of the target `ingest`, the same for the whole process."""
