"""Judges secrets with AWS keys."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from shlex import quote

from replicator.doctor.deployment import ROTATION_DAYS, ROTATION_TOPIC, Deployment, project_of
from replicator.doctor.facts import KeyFacts, Refusal, Rotation, Unread
from replicator.doctor.finding import Check, Finding, failed, ok, unread, warning
from replicator.doctor.source import new_key

DAY = 86_400


def judge_keys(facts: KeyFacts, deployment: Deployment, now: datetime) -> Iterator[Finding]:
    """One secret. Its age and its rotation are of interest only where it can be read."""
    subject, at = facts.resource, deployment.named(facts.resource)
    renew = new_key(facts.resource, deployment)
    if facts.unreadable is not None:
        if facts.refusal is None:
            yield warning(Check.KEYS_READABLE, subject, f"This could not be tried: {facts.unreadable}.")
            return
        grant = f"gcloud secrets add-iam-policy-binding {at} --member {deployment.member} --role roles/secretmanager"
        mends = {
            Refusal.DENIED: f"{grant}.secretAccessor",
            Refusal.ABSENT: f"gcloud secrets create {at} --replication-policy automatic",
            Refusal.EMPTY: renew,
        }
        yield failed(Check.KEYS_READABLE, subject, f"{facts.unreadable}.", mends[facts.refusal])
        return
    yield ok(Check.KEYS_READABLE, subject, "It was read, and its checksum is right.")
    if facts.unsound is not None:
        yield failed(Check.KEYS_SOUND, subject, f"{facts.unsound}.", renew)
        return
    yield ok(Check.KEYS_SOUND, subject, "AWS keys are in it.")
    yield _age(subject, facts, renew, now)
    yield _rotation(subject, facts, at, now)


def _age(subject: str, facts: KeyFacts, renew: str, now: datetime) -> Finding:
    if isinstance(facts.created, Unread):
        return unread(Check.KEYS_AGE, subject, facts.created)
    days = (now - facts.created).days
    if days > ROTATION_DAYS:
        said = f"This version is {days} days old; keys are to be replaced after {ROTATION_DAYS}."
        return warning(Check.KEYS_AGE, subject, said, renew)
    return ok(Check.KEYS_AGE, subject, f"This version is {days} days old.")


def _rotation(subject: str, facts: KeyFacts, at: str, now: datetime) -> Finding:
    check = Check.KEYS_ROTATION
    if "/versions/" in facts.resource and not facts.resource.endswith("/latest"):
        return warning(check, subject, "The version is pinned: new keys count only when the configuration names them.")
    if isinstance(facts.rotation, Unread):
        return unread(check, subject, facts.rotation)
    if facts.rotation.period and facts.rotation.topics:
        return _heard(
            subject, facts.rotation, f"Secret Manager reminds of it every {facts.rotation.period // DAY} days"
        )
    following = (now + timedelta(days=ROTATION_DAYS)).strftime("%Y-%m-%dT%H:%M:%SZ")
    topic = f"projects/{project_of(facts.resource)}/topics/{ROTATION_TOPIC}"
    mend = (
        f"gcloud secrets update {at} --add-topics {quote(topic)} "
        f"--rotation-period {ROTATION_DAYS * DAY}s --next-rotation-time {following}"
    )
    return warning(check, subject, "Nobody is reminded of replacing the keys.", mend)


def _heard(subject: str, rotation: Rotation, said: str) -> Finding:
    check, topic = Check.KEYS_ROTATION, rotation.topics[0]
    if isinstance(rotation.subscriptions, Unread):
        return unread(check, topic, rotation.subscriptions)
    if rotation.subscriptions:
        return ok(check, subject, f"{said}, in {', '.join(rotation.subscriptions)}.")
    mend = (
        f"gcloud pubsub subscriptions create {ROTATION_TOPIC} --project {quote(project_of(topic) or '')} "
        f"--topic {quote(topic)} --expiration-period never --message-retention-duration 31d "
        "--message-filter 'attributes.eventType = \"SECRET_ROTATE\"'"
    )
    return warning(check, subject, f"{said}, on a topic without a subscription: nobody hears of it.", mend)
