"""Judges destination buckets: may they be written, and what does their making cost or forbid."""

from collections.abc import Iterator, Sequence

from replicator.doctor.deployment import Deployment
from replicator.doctor.facts import BucketSettings, DestinationFacts, Unread
from replicator.doctor.finding import Check, Finding, failed, ok, unread, warning
from replicator.doctor.regions import far_apart, is_region
from replicator.errors import ReplicationError
from replicator.reasons import Reason
from replicator.rules import RESERVED_PREFIX, Deletes, Parts, Rule

DAY = 86_400
LEFTOVER_DAYS = 7
"""Longer than any copy takes; its parts must not go before it ends (deploy/gcp/lifecycle.json)."""
SOFT_DELETE = 7 * DAY
"""Cloud Storage's default (https://cloud.google.com/storage/docs/soft-delete)."""
MINIMUM_DAYS = {"NEARLINE": 30, "COLDLINE": 90, "ARCHIVE": 365}
"""What is replaced or deleted earlier is billed for so many days (https://cloud.google.com/storage/docs/storage-classes)."""


def judge_destination(facts: DestinationFacts, rules: Sequence[Rule], deployment: Deployment) -> Iterator[Finding]:
    """One bucket; `rules` are those that write to it."""
    subject, bucket = f"gs://{facts.bucket}", facts.bucket
    permissions = _permissions(subject, facts, deployment)
    yield permissions
    if isinstance(facts.missing, ReplicationError) and facts.missing.reason is Reason.DESTINATION_BUCKET_NOT_FOUND:
        return
    settings = facts.settings
    if isinstance(settings, Unread):
        found = unread(Check.DESTINATION_SETTINGS, subject, settings)
        said = f"{found.detail} The service needs it, too: without it large objects are copied in one stream."
        mend = deployment.grant_on_bucket(bucket, "roles/storage.legacyBucketReader") if settings.permission else None
        yield warning(Check.DESTINATION_SETTINGS, subject, said, mend)
        return
    yield ok(Check.DESTINATION_SETTINGS, subject, "What the bucket is like can be seen.")
    update = f"gcloud storage buckets update gs://{bucket}"
    yield _retention(subject, settings, rules, update)
    yield _soft_delete(subject, settings, update)
    yield _versioning(subject, settings, update)
    yield _storage_class(subject, settings, rules, update)
    yield _location(subject, settings, deployment)
    yield _leftovers(subject, bucket, settings, rules)
    yield _access(subject, settings, update)


def _permissions(subject: str, facts: DestinationFacts, deployment: Deployment) -> Finding:
    check, missing = Check.DESTINATION_PERMISSIONS, facts.missing
    grant = deployment.grant_on_bucket(facts.bucket, "roles/storage.objectUser")
    if isinstance(missing, ReplicationError):
        said = missing.reason.explained(missing.detail)
        if missing.reason is Reason.DESTINATION_ACCESS_DENIED:
            return failed(check, subject, said, grant)
        if missing.reason is Reason.DESTINATION_BUCKET_NOT_FOUND:
            create = f"gcloud storage buckets create {subject} {deployment.in_project}"
            where = f" --location {deployment.region}" if deployment.region else ""
            return failed(check, subject, said, f"{create}{where} --uniform-bucket-level-access")
        return failed(check, subject, said)  # also where it does not answer: then nothing is replicated
    if missing:
        return failed(check, subject, f"{', '.join(sorted(missing))} missing.", grant)
    return ok(check, subject, "Objects may be read, listed, created, updated and deleted.")


def _retention(subject: str, settings: BucketSettings, rules: Sequence[Rule], update: str) -> Finding:
    check = Check.DESTINATION_RETENTION
    if settings.retention:
        kept = f"for {_days(settings.retention)}{', which is locked for good' if settings.retention_locked else ''}"
        mend = None if settings.retention_locked else f"{update} --clear-retention-period"
    elif settings.default_hold:
        kept, mend = "until their hold is released", f"{update} --no-default-event-based-hold"
    else:
        return ok(check, subject, "Replicas can be replaced and deleted at any time.")
    if any(rule.deletes is Deletes.PROPAGATE for rule in rules):
        said = f"Objects are kept {kept}, while a rule has `deletes: propagate`: deletions and changes fail until then."
        return failed(check, subject, said, mend)
    said = f"Objects are kept {kept}: a source object that changes cannot be replicated before. Right if none does."
    return warning(check, subject, said, mend)


def _soft_delete(subject: str, settings: BucketSettings, update: str) -> Finding:
    check, seconds = Check.DESTINATION_SOFT_DELETE, settings.soft_delete
    if not seconds:
        return ok(check, subject, "Soft delete is off: what is replaced or deleted is gone, and costs nothing more.")
    said = f"What is replaced or deleted is kept, and billed, for {_days(seconds)} more."
    if seconds > SOFT_DELETE:
        return warning(check, subject, said, f"{update} --soft-delete-duration=7d")
    return ok(check, subject, said)


def _versioning(subject: str, settings: BucketSettings, update: str) -> Finding:
    check = Check.DESTINATION_VERSIONING
    if not settings.versioning:
        return ok(check, subject, "It keeps no noncurrent versions.")
    if any(rule.noncurrent for rule in settings.deletions):
        return ok(check, subject, "It keeps noncurrent versions, and a lifecycle rule deletes them.")
    said = "Each replica that is replaced or deleted stays as a noncurrent version, and is billed for ever."
    return warning(check, subject, said, f"{update} --no-versioning")


def _storage_class(subject: str, settings: BucketSettings, rules: Sequence[Rule], update: str) -> Finding:
    check = Check.DESTINATION_STORAGE_CLASS
    named = sorted(rule.id for rule in rules if rule.placement.storage_class)
    if settings.autoclass and named:
        said = f"Autoclass chooses the class, and that of the rules {', '.join(named)} is not heeded."
        return warning(check, subject, said, f"{update} --no-enable-autoclass")
    if settings.autoclass:
        return ok(check, subject, "Autoclass chooses the class; replacing a replica early costs nothing.")
    days = MINIMUM_DAYS.get(settings.storage_class)
    if days and len(named) < len(rules):
        said = (
            f"New objects are {settings.storage_class}: one that is replaced or deleted within {days} days is billed "
            "for all of them, and large objects are copied in one stream."
        )
        return warning(check, subject, said, f"{update} --default-storage-class=STANDARD")
    return ok(check, subject, f"New objects are {settings.storage_class}, unless a rule says otherwise.")


def _location(subject: str, settings: BucketSettings, deployment: Deployment) -> Finding:
    check, place, region = Check.DESTINATION_LOCATION, settings.location.lower(), deployment.region
    if region is None:
        return ok(check, subject, f"It is in {place}; with --region, that is compared with the service's.")
    if far_apart(place, region):
        said = f"It is in {place}, and the service in {region}: all bytes cross an ocean and are billed for it."
        return warning(check, subject, said)
    if is_region(place) and place != region:
        return warning(
            check, subject, f"It is in {place}, and the service in {region}: transfer between them is billed."
        )
    return ok(check, subject, f"It is in {place}, and so is the service." if place == region else f"It is in {place}.")


def _leftovers(subject: str, bucket: str, settings: BucketSettings, rules: Sequence[Rule]) -> Finding:
    check = Check.DESTINATION_LEFTOVERS
    if all(rule.parts is Parts.NEVER for rule in rules):
        return ok(check, subject, "No rule copies in parts, so nothing is left behind.")
    for_leftovers = [
        rule
        for rule in settings.deletions
        if not rule.noncurrent
        and rule.age is not None
        and any(RESERVED_PREFIX.startswith(one) for one in rule.prefixes)
    ]
    lifecycle = f"{bucket}-lifecycle.json"
    merge = "python3 deploy/gcp/lifecycle.py"
    mend = (
        f"gcloud storage buckets describe gs://{bucket} --raw --format json | {merge} > {lifecycle}"
        f" && gcloud storage buckets update gs://{bucket} --lifecycle-file {lifecycle}"
    )
    days = min((rule.age for rule in for_leftovers if rule.age is not None), default=None)
    if days is None:
        said = f"No lifecycle rule deletes what processes that died have left under {RESERVED_PREFIX}."
        return warning(check, subject, said, mend)
    if days < LEFTOVER_DAYS:
        said = f"Objects under {RESERVED_PREFIX} are deleted after {days} days: parts of a copy that is under way, too."
        return warning(check, subject, said, mend)
    return ok(check, subject, f"What is left under {RESERVED_PREFIX} is deleted after {days} days.")


def _access(subject: str, settings: BucketSettings, update: str) -> Finding:
    if settings.uniform_access:
        return ok(Check.DESTINATION_ACCESS, subject, "Access is uniform: IAM alone decides.")
    said = "Objects have access lists of their own beside IAM's grants, so one may be open to others unseen."
    return warning(Check.DESTINATION_ACCESS, subject, said, f"{update} --uniform-bucket-level-access")


def _days(seconds: int) -> str:
    return f"{seconds / DAY:g} days" if seconds != DAY else "1 day"
