"""The doctor on the real services: what is asked of whom, with the identity that the service has or is lent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any
from urllib.parse import urlsplit

from replicator.adapters.google_identity import CLOUD_PLATFORM, GoogleIdentity
from replicator.bootstrap.configuration import google_identity, load_rules
from replicator.bootstrap.source import access_of, key_stores
from replicator.doctor import Check, Examination, Finding, examine
from replicator.doctor.canary import Canary, Flight, canary_of, unwritten
from replicator.doctor.clock import judge_clock
from replicator.doctor.delivery import Expected, judge_hand_over, judge_subscription
from replicator.doctor.deployment import SUBSCRIPTION, Deployment, project_of
from replicator.doctor.destination import judge_destination
from replicator.doctor.finding import warning
from replicator.doctor.identity import Caller, judge_google
from replicator.doctor.keys import judge_keys
from replicator.doctor.source import Reader, judge_caller, judge_source
from replicator.errors import ReplicationError
from replicator.once import once
from replicator.ports import KeyStore
from replicator.rules import Rule, SourceAccess
from replicator.settings import DoctorSettings, load_env_file

POOL_SIZE = 4
AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True, slots=True)
class Visit:
    """What the doctor is told beside the service's configuration. `seconds` is for each check, and each canary."""

    impersonate: str | None = None
    subscription: str = SUBSCRIPTION
    service_url: str | None = None
    region: str | None = None
    canary: bool = False
    canary_profile: str | None = None
    canary_seconds: float = 180
    seconds: float = 60


class Doctor:
    """Everything is asked for when the examination begins. Raises `ConfigurationError` when it is made."""

    def __init__(self, visit: Visit) -> None:
        load_env_file()
        self._visit, self._settings = visit, DoctorSettings.load()
        self._rules = load_rules(self._settings)
        self._identity: GoogleIdentity = google_identity(self._settings, visit.impersonate)
        self._enabled = [rule for rule in self._rules.by_priority() if rule.enabled]
        self._caller = once(self._who)
        self._destination_api = once(self._connect_destination)

    def examine(self) -> list[Finding]:
        """All findings; the canaries fly once everything else was looked at."""
        deployment = self._deployment()
        found = [judge_google(self._caller(), deployment)]
        found += examine([*self._examinations(deployment)], self._visit.seconds)
        if self._visit.canary:
            ended = Event()
            seconds = 2 * self._visit.canary_seconds + self._visit.seconds
            found += examine([*self._canaries(ended)], seconds, ended)
        return found

    def _who(self) -> Caller | ReplicationError | None:
        if self._settings.storage_emulator_host:
            return None
        try:
            return Caller(self._identity.email())
        except ReplicationError as error:
            return error

    def _deployment(self) -> Deployment:
        settings, caller = self._settings, self._caller()
        named = (settings.pubsub_topic, self._visit.subscription, settings.aws_credentials_secret)
        project = settings.google_cloud_project or next(filter(None, map(project_of, named)), None)
        account = caller.email if isinstance(caller, Caller) and caller.is_service_account else None
        return Deployment(project, self._visit.region, account)

    def _examinations(self, deployment: Deployment) -> Iterator[Examination]:
        from replicator.adapters import s3, sts  # noqa: PLC0415  what a command does not use is not imported

        stores = key_stores(self._settings, self._identity)
        clients: dict[SourceAccess, Any] = {}
        for access in self._accesses():
            keys = stores(access)
            clients[access] = s3.connect(keys, self._settings.aws_region, POOL_SIZE, access.request_payer)
            # Made here and not where it is used, since clients that share the SDK's data are made one at a time.
            asking = sts.connect_signed(keys, self._settings.aws_region)
            arn = once(partial(_arn, keys, clients[access], asking))
            yield Examination(Check.AWS_IDENTITY, "AWS", partial(_caller, access, arn, deployment))
            for bucket in sorted(self._buckets_read_with(access)):
                look = partial(self._source, clients[access], bucket, access, arn, deployment)
                yield Examination(Check.SOURCE_READABLE, f"s3://{bucket}", look)
        for bucket in sorted(self._rules.destination_buckets):
            look = partial(self._destination, bucket, deployment)
            yield Examination(Check.DESTINATION_PERMISSIONS, f"gs://{bucket}", look)
        for resource in sorted({access.credentials_secret for access in clients if access.credentials_secret}):
            yield Examination(Check.KEYS_READABLE, resource, partial(self._keys, resource, deployment))
        yield from self._delivery(deployment)
        yield Examination(Check.CLOCK, "S3", lambda: [_clock("S3", clients[next(iter(clients))].meta.endpoint_url)])
        yield Examination(
            Check.CLOCK, "Cloud Storage", lambda: [_clock("Cloud Storage", self._destination_api().endpoint)]
        )

    def _source(
        self, client: Any, bucket: str, access: SourceAccess, arn: Callable[[], str | None], deployment: Deployment
    ) -> Iterator[Finding]:
        from replicator.adapters.inspection import s3  # noqa: PLC0415

        rules = [rule for rule in self._enabled if bucket in rule.source_buckets]
        prefixes = {max(rule.source_prefix, rule.filter.prefix, key=len) for rule in rules}
        facts = s3.look_at(client, bucket, sorted(prefixes))
        alone = len(self._rules.source_buckets) == 1
        reader = Reader(
            _known(arn),
            access.request_payer,
            bucket in self._rules.tag_filtered_buckets,
            self._settings.aws_region if alone else None,
        )
        return judge_source(facts, reader, deployment)

    def _destination(self, bucket: str, deployment: Deployment) -> Iterator[Finding]:
        from replicator.adapters.inspection import gcs  # noqa: PLC0415

        rules = [rule for rule in self._enabled if rule.destination_bucket == bucket]
        return judge_destination(gcs.look_at(self._destination_api(), bucket), rules, deployment)

    def _keys(self, resource: str, deployment: Deployment) -> Iterator[Finding]:
        from replicator.adapters import key_payload, secrets  # noqa: PLC0415
        from replicator.adapters.inspection import secrets as inspection  # noqa: PLC0415

        client = secrets.connect(self._identity.credentials(CLOUD_PLATFORM))
        read = partial(secrets.read, client, resource)
        facts = inspection.look_at(client, resource, read, key_payload.parse_keys)
        return judge_keys(facts, deployment, datetime.now(UTC))

    def _delivery(self, deployment: Deployment) -> Iterator[Examination]:
        from replicator.adapters.inspection.pubsub import PubsubInspection  # noqa: PLC0415

        settings, visit = self._settings, self._visit

        def connect() -> PubsubInspection:
            emulated = settings.pubsub_emulator_host is not None
            return PubsubInspection(None if emulated else self._identity.credentials(CLOUD_PLATFORM))

        inspection = once(connect)
        topic, name = settings.pubsub_topic, visit.subscription
        if not name.startswith("projects/"):
            name = f"projects/{deployment.project}/subscriptions/{name}"
        expected = Expected(settings.deadline_seconds, topic, visit.service_url, settings.oidc_audiences)
        if deployment.project is None:
            said = "GOOGLE_CLOUD_PROJECT is not set, so nobody knows where to look for the subscription."
            yield Examination(Check.SUBSCRIPTION, name, lambda: [warning(Check.SUBSCRIPTION, visit.subscription, said)])
        else:
            yield Examination(
                Check.SUBSCRIPTION,
                name,
                lambda: judge_subscription(name, inspection().look_at(name), expected, deployment),
            )
        yield Examination(
            Check.HAND_OVER,
            topic or "PUBSUB_TOPIC",
            lambda: [judge_hand_over(topic, inspection().may_publish(topic) if topic else False, deployment)],
        )

    def _canaries(self, ended: Event) -> Iterator[Examination]:
        from replicator.adapters import gcs  # noqa: PLC0415
        from replicator.adapters.inspection.canary import CanaryWriter  # noqa: PLC0415

        visit = self._visit

        def fly(canary: Canary) -> Iterator[Finding]:
            try:
                writer = CanaryWriter(visit.canary_profile, self._settings.aws_region)
            except ReplicationError as error:
                return iter([unwritten(canary, error)])
            destination = gcs.GcsDestination(self._destination_api())
            return Flight(writer, destination, visit.canary_seconds, ended, ended.wait).fly(canary)

        for rule in self._enabled:
            for bucket in sorted(rule.source_buckets):
                canary = canary_of(rule, bucket, self._rules)
                subject = f"s3://{bucket} by {rule.id}"
                if canary is None:
                    said = "No small object passes this rule's filter, or another rule comes first: put one yourself."
                    untried = warning(Check.CANARY_WRITTEN, subject, said)
                    yield Examination(Check.CANARY_WRITTEN, subject, partial(list, [untried]))
                else:
                    yield Examination(Check.CANARY_REPLICATED, subject, partial(fly, canary))

    def _connect_destination(self) -> Any:
        from replicator.adapters import gcs  # noqa: PLC0415

        credentials = None if self._settings.storage_emulator_host else self._identity.credentials(gcs.SCOPE)
        return gcs.connect(credentials, POOL_SIZE)

    def _accesses(self) -> list[SourceAccess]:
        return [*dict.fromkeys(access_of(rule, self._settings.access) for rule in self._enabled)]

    def _buckets_read_with(self, access: SourceAccess) -> frozenset[str]:
        read: list[Rule] = [rule for rule in self._enabled if access_of(rule, self._settings.access) == access]
        return frozenset().union(*(rule.source_buckets for rule in read))


def _caller(access: SourceAccess, arn: Callable[[], str | None], deployment: Deployment) -> list[Finding]:
    try:
        return [judge_caller(access, arn(), None, deployment)]
    except ReplicationError as error:
        return [judge_caller(access, None, error, deployment)]


def _arn(keys: KeyStore | None, client: Any, asking: Any) -> str | None:
    """Raises `Transient`. `None` where S3 is not Amazon's, and nobody said whose STS knows its keys."""
    from replicator.adapters import sts  # noqa: PLC0415

    if keys is not None:
        keys.current()
    if not _is_amazons(client) and _is_amazons(asking):
        return None
    return sts.caller(asking)


def _known(arn: Callable[[], str | None]) -> str | None:
    """Whom AWS sees, where somebody knows; that nobody does is a finding of its own."""
    try:
        return arn()
    except ReplicationError:
        return None


def _clock(subject: str, url: str) -> Finding:
    from replicator.adapters.inspection import clock  # noqa: PLC0415

    return judge_clock(subject, clock.skew(url))


def _is_amazons(client: Any) -> bool:
    return str(urlsplit(client.meta.endpoint_url).hostname).endswith(AMAZON)
