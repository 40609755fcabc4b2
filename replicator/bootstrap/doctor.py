"""The doctor on the real services: what is asked of whom, with the identity that the service has or is lent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from threading import Event
from typing import Any

from replicator.adapters.google_identity import CLOUD_PLATFORM, GoogleIdentity
from replicator.bootstrap.aws import POOL_SIZE, Aws, connections
from replicator.bootstrap.configuration import google_identity, load_rules
from replicator.bootstrap.source import access_of
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
from replicator.rules import Rule, SourceAccess
from replicator.settings import DoctorSettings, load_env_file


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
    """Raises `ConfigurationError` when it is made. What else is wrong is a finding: all that is asked for, and all that
    asks, is made within an examination, which has its time and is guarded."""

    def __init__(self, visit: Visit) -> None:
        load_env_file()
        self._visit, self._settings = visit, DoctorSettings.load()
        self._rules = load_rules(self._settings, visit.impersonate)
        self._identity: GoogleIdentity = google_identity(self._settings, visit.impersonate)
        self._enabled = [rule for rule in self._rules.by_priority() if rule.enabled]
        self._caller: Caller | ReplicationError | None = None
        self._aws = connections(self._settings, self._identity)
        self._destination_api = once(self._connect_destination)
        self._pubsub = once(self._connect_pubsub)

    def examine(self) -> list[Finding]:
        """All findings; the canaries fly once everything else was looked at."""
        found = examine([Examination(Check.GOOGLE_IDENTITY, "Google", self._google)], self._visit.seconds)
        deployment = self._deployment()
        found += examine([*self._examinations(deployment)], self._visit.seconds)
        if self._visit.canary:
            ended = Event()
            seconds = 2 * self._visit.canary_seconds + self._visit.seconds
            found += examine([*self._canaries(ended)], seconds, ended)
        return found

    def _google(self) -> list[Finding]:
        self._caller = self._who()
        return [judge_google(self._caller, self._deployment())]

    def _who(self) -> Caller | ReplicationError | None:
        if self._settings.storage_emulator_host:
            return None
        try:
            return Caller(self._identity.email())
        except ReplicationError as error:
            return error

    def _deployment(self) -> Deployment:
        settings, caller = self._settings, self._caller
        named = (settings.pubsub_topic, self._visit.subscription, settings.aws_credentials_secret)
        project = settings.google_cloud_project or next(filter(None, map(project_of, named)), None)
        account = caller.email if isinstance(caller, Caller) and caller.is_service_account else None
        return Deployment(project, self._visit.region, account)

    def _examinations(self, deployment: Deployment) -> Iterator[Examination]:
        accesses = self._accesses()
        for access in accesses:
            aws = partial(self._aws, access)
            yield Examination(Check.AWS_IDENTITY, "AWS", partial(_caller, access, aws, deployment))
            for bucket in sorted(self._buckets_read_with(access)):
                look = partial(self._source, aws, bucket, access, deployment)
                yield Examination(Check.SOURCE_READABLE, f"s3://{bucket}", look)
        for bucket in sorted(self._rules.destination_buckets):
            look = partial(self._destination, bucket, deployment)
            yield Examination(Check.DESTINATION_PERMISSIONS, f"gs://{bucket}", look)
        for resource in sorted({access.credentials_secret for access in accesses if access.credentials_secret}):
            yield Examination(Check.KEYS_READABLE, resource, partial(self._keys, resource, deployment))
        yield from self._delivery(deployment)
        for access in accesses[:1]:
            aws = partial(self._aws, access)
            yield Examination(Check.CLOCK, "S3", partial(_clock_of_s3, aws))
        yield Examination(
            Check.CLOCK, "Cloud Storage", lambda: [_clock("Cloud Storage", self._destination_api().endpoint)]
        )

    def _source(
        self, aws: Callable[[], Aws], bucket: str, access: SourceAccess, deployment: Deployment
    ) -> Iterator[Finding]:
        from replicator.adapters.inspection import s3  # noqa: PLC0415

        rules = [rule for rule in self._enabled if bucket in rule.source_buckets]
        prefixes = {max(rule.source_prefix, rule.filter.prefix, key=len) for rule in rules}
        facts = s3.look_at(aws().s3, bucket, sorted(prefixes))
        alone = len(self._rules.source_buckets) == 1
        reader = Reader(
            _known(aws().arn),
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
        facts = inspection.look_at(
            client, resource, read, key_payload.parse_keys, lambda topic: self._pubsub().subscriptions_of(topic)
        )
        return judge_keys(facts, deployment, datetime.now(UTC))

    def _delivery(self, deployment: Deployment) -> Iterator[Examination]:
        settings, visit = self._settings, self._visit
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
                lambda: judge_subscription(name, self._pubsub().look_at(name), expected, deployment),
            )
        yield Examination(
            Check.HAND_OVER,
            topic or "PUBSUB_TOPIC",
            lambda: [judge_hand_over(topic, self._pubsub().may_publish(topic) if topic else False, deployment)],
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

    def _connect_pubsub(self) -> Any:
        from replicator.adapters.inspection.pubsub import PubsubInspection  # noqa: PLC0415

        emulated = self._settings.pubsub_emulator_host is not None
        return PubsubInspection(None if emulated else self._identity.credentials(CLOUD_PLATFORM))

    def _accesses(self) -> list[SourceAccess]:
        return [*dict.fromkeys(access_of(rule, self._settings.access) for rule in self._enabled)]

    def _buckets_read_with(self, access: SourceAccess) -> frozenset[str]:
        read: list[Rule] = [rule for rule in self._enabled if access_of(rule, self._settings.access) == access]
        return frozenset().union(*(rule.source_buckets for rule in read))


def _caller(access: SourceAccess, aws: Callable[[], Aws], deployment: Deployment) -> list[Finding]:
    try:
        return [judge_caller(access, aws().arn(), None, deployment)]
    except ReplicationError as error:
        return [judge_caller(access, None, error, deployment)]


def _known(arn: Callable[[], str | None]) -> str | None:
    """Whom AWS sees, where somebody knows; that nobody does is a finding of its own."""
    try:
        return arn()
    except ReplicationError:
        return None


def _clock_of_s3(aws: Callable[[], Aws]) -> list[Finding]:
    return [_clock("S3", aws().s3.meta.endpoint_url)]


def _clock(subject: str, url: str) -> Finding:
    from replicator.adapters.inspection import clock  # noqa: PLC0415

    return judge_clock(subject, clock.skew(url))
