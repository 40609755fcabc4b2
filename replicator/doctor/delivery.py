"""Judges the way of an event from Pub/Sub to the service."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from shlex import quote
from urllib.parse import urlsplit

from replicator.doctor.deployment import (
    ACK_DEADLINE,
    ATTEMPTS,
    DEAD_LETTER_TOPIC,
    DEADLINE,
    MARGIN,
    MAX_BACKOFF,
    MIN_BACKOFF,
    Deployment,
    short,
)
from replicator.doctor.facts import DeadLetterFacts, Grants, SubscriptionFacts, Unread
from replicator.doctor.finding import Check, Finding, failed, ok, unread, warning

PUBSUB_AGENT = "@gcp-sa-pubsub.iam.gserviceaccount.com"
PUBLISHERS = frozenset({"roles/pubsub.publisher", "roles/pubsub.editor", "roles/pubsub.admin"})
SUBSCRIBERS = frozenset({"roles/pubsub.subscriber", "roles/pubsub.editor", "roles/pubsub.admin"})
LEAST_ATTEMPTS = 6
"""Five failures hand a large copy over no more, and it has to end, too (deploy/gcp/config.example.env)."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the service's own configuration asks of the subscription. `url` is the service's, without a path."""

    deadline: float = DEADLINE
    topic: str | None = None
    url: str | None = None
    audiences: tuple[str, ...] = ()


def judge_subscription(
    name: str, facts: SubscriptionFacts | Unread | None, expected: Expected, deployment: Deployment
) -> Iterator[Finding]:
    """`None` is a subscription that does not exist."""
    if facts is None:
        said = "There is no such subscription: no event reaches the service."
        yield failed(Check.SUBSCRIPTION, name, said, "deploy/gcp/deploy.sh")
        return
    if isinstance(facts, Unread):
        yield unread(Check.SUBSCRIPTION, name, facts)
        return
    update = f"gcloud pubsub subscriptions update {deployment.named(name)}"
    if facts.active:
        yield ok(Check.SUBSCRIPTION, name, "It is there and active.")
    else:
        yield failed(Check.SUBSCRIPTION, name, "It is detached from its topic, or not active.", "deploy/gcp/deploy.sh")
    yield _topic(name, facts, expected, deployment)
    account = facts.account or f"replicator-push@{deployment.project or 'PROJECT'}.iam.gserviceaccount.com"
    push = partial(_push, update, account)
    yield _endpoint(name, facts, expected, push)
    yield _identity(name, facts, expected, push)
    yield _ack_deadline(name, facts, expected, deployment, update)
    yield _backoff(name, facts, update)
    yield _expiration(name, facts, update)
    yield from _dead_letters(name, facts, deployment, update)


def judge_hand_over(topic: str | None, allowed: bool | Unread, deployment: Deployment) -> Finding:
    """Whether whoever looks may publish to `PUBSUB_TOPIC`."""
    check = Check.HAND_OVER
    if topic is None:
        said = "PUBSUB_TOPIC is not set: what one request cannot finish is resumed by redelivery, and uses up attempts."
        project = deployment.project or "PROJECT"
        return warning(
            check, "PUBSUB_TOPIC", said, deployment.set_variable("PUBSUB_TOPIC", f"projects/{project}/topics/s3-events")
        )
    if isinstance(allowed, Unread):
        return unread(check, topic, allowed)
    if allowed:
        return ok(check, topic, "It may be published to.")
    grant = f"gcloud pubsub topics add-iam-policy-binding {deployment.named(topic)}"
    said = "pubsub.topics.publish is missing: large copies are not handed over."
    return failed(check, topic, said, f"{grant} --member {deployment.member} --role roles/pubsub.publisher")


def _topic(name: str, facts: SubscriptionFacts, expected: Expected, deployment: Deployment) -> Finding:
    check = Check.SUBSCRIPTION_TOPIC
    if expected.topic is None or facts.topic == expected.topic:
        return ok(check, name, f"It is on {facts.topic}.")
    said = f"It is on {facts.topic}, and PUBSUB_TOPIC is {expected.topic}: what is handed over never comes back."
    return failed(check, name, said, deployment.set_variable("PUBSUB_TOPIC", facts.topic))


def _push(update: str, account: str, endpoint: str, audience: str) -> str:
    """All three at once: whoever sets the endpoint alone takes the token away
    (https://cloud.google.com/pubsub/docs/reference/rest/v1/PushConfig)."""
    return (
        f"{update} --push-endpoint {quote(endpoint)} "
        f"--push-auth-service-account {quote(account)} --push-auth-token-audience {quote(audience)}"
    )


def _endpoint(name: str, facts: SubscriptionFacts, expected: Expected, push: Callable[[str, str], str]) -> Finding:
    check, endpoint = Check.PUSH_ENDPOINT, facts.endpoint
    wanted = expected.url.rstrip("/") + "/" if expected.url else None
    mend = push(wanted, _audience(wanted, expected)) if wanted else None
    if endpoint is None:
        return failed(check, name, "It pushes to nobody: messages wait to be pulled.", mend or "deploy/gcp/deploy.sh")
    if wanted and endpoint.rstrip("/") + "/" != wanted:
        said = f"It pushes to {endpoint}, and the service is at {wanted}"
        if _of_cloud_run(endpoint) and _of_cloud_run(wanted):
            return warning(check, name, f"{said}: right if both are this service's, of which each has two.", mend)
        return failed(check, name, f"{said}.", mend)
    if wanted:
        return ok(check, name, f"It pushes to {endpoint}, which is the service.")
    return ok(check, name, f"It pushes to {endpoint}; with --service-url, that is compared with the service's.")


def _audience(endpoint: str, expected: Expected) -> str:
    return expected.audiences[0] if expected.audiences else (expected.url or endpoint).rstrip("/")


def _of_cloud_run(url: str) -> bool:
    """Where every service has two addresses, and takes tokens for either
    (https://cloud.google.com/run/docs/triggering/https-request)."""
    return str(urlsplit(url).hostname).endswith(".run.app")


def _identity(name: str, facts: SubscriptionFacts, expected: Expected, push: Callable[[str, str], str]) -> Finding:
    check = Check.PUSH_IDENTITY
    if facts.endpoint is None:
        return ok(check, name, "It pushes to nobody, so it need not say who it is.")
    audience = facts.audience or facts.endpoint  # https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
    wanted = _audience(facts.endpoint, expected)
    mend = push(facts.endpoint, wanted)
    if facts.account is None:
        return failed(check, name, "It sends no identity token, so the service lets nobody of it in.", mend)
    accepted = {*expected.audiences} or {wanted, f"{wanted}/"}
    if not expected.audiences and _of_cloud_run(wanted) and _of_cloud_run(facts.endpoint):
        accepted |= {facts.endpoint, facts.endpoint.rstrip("/")}
    if audience not in accepted and (expected.audiences or expected.url):
        said = f"Its tokens are for {audience}, and the service takes those for {wanted}: it answers 401."
        return failed(check, name, said, mend)
    return ok(check, name, f"It pushes as {facts.account}, with tokens for {audience}.")


def _ack_deadline(
    name: str, facts: SubscriptionFacts, expected: Expected, deployment: Deployment, update: str
) -> Finding:
    check, seconds = Check.ACK_DEADLINE, facts.ack_deadline
    said = f"It waits {seconds} s for an answer, and the service takes {expected.deadline:g} s (DEADLINE_SECONDS)"
    if seconds >= expected.deadline + MARGIN:
        return ok(check, name, f"{said}.")
    fits = expected.deadline + MARGIN <= ACK_DEADLINE
    mend = (
        f"{update} --ack-deadline {ACK_DEADLINE}"
        if fits
        else deployment.set_variable("DEADLINE_SECONDS", str(DEADLINE))
    )
    if seconds > expected.deadline:
        return warning(check, name, f"{said}: less than two minutes are left for the last requests.", mend)
    return failed(check, name, f"{said}: messages are delivered again while they are worked on.", mend)


def _backoff(name: str, facts: SubscriptionFacts, update: str) -> Finding:
    check = Check.RETRY_POLICY
    mend = f"{update} --min-retry-delay {MIN_BACKOFF}s --max-retry-delay {MAX_BACKOFF}s"
    if facts.backoff is None:
        said = "Messages are redelivered at once, so a short outage uses up all attempts."
        return failed(check, name, said, mend) if facts.dead_letters else warning(check, name, said, mend)
    least, most = facts.backoff
    if least < MIN_BACKOFF or most < MAX_BACKOFF:
        said = f"Deliveries are {least:g} s to {most:g} s apart: an outage uses up all attempts the sooner."
        return warning(check, name, said, mend)
    return ok(check, name, f"Deliveries are {least:g} s to {most:g} s apart.")


def _expiration(name: str, facts: SubscriptionFacts, update: str) -> Finding:
    if facts.expires is None:
        return ok(Check.EXPIRATION, name, "It never expires.")
    said = f"It is deleted after {facts.expires / 86_400:g} days without use, and all later events are lost."
    return failed(Check.EXPIRATION, name, said, f"{update} --expiration-period never")


def _dead_letters(name: str, facts: SubscriptionFacts, deployment: Deployment, update: str) -> Iterator[Finding]:
    check, policy = Check.DEAD_LETTER_POLICY, facts.dead_letters
    if policy is None:
        said = "What cannot be delivered is delivered again and again, and then dropped unread."
        mend = f"{update} --dead-letter-topic {DEAD_LETTER_TOPIC} --max-delivery-attempts {ATTEMPTS}"
        yield failed(check, name, said, mend)
        return
    if policy.attempts < LEAST_ATTEMPTS:
        said = f"Messages are given up after {policy.attempts} attempts: an outage of minutes makes them dead letters."
        mend = f"{update} --dead-letter-topic {quote(policy.topic)} --max-delivery-attempts {ATTEMPTS}"
        yield warning(check, name, said, mend)
    else:
        yield ok(check, name, f"After {policy.attempts} attempts messages go to {policy.topic}.")
    yield _granted(
        policy.topic,
        policy.grants,
        PUBLISHERS,
        f"gcloud pubsub topics add-iam-policy-binding {deployment.named(policy.topic)} "
        f"--member {deployment.pubsub_agent(name)} --role roles/pubsub.publisher",
    )
    yield _granted(
        name,
        facts.grants,
        SUBSCRIBERS,
        f"gcloud pubsub subscriptions add-iam-policy-binding {deployment.named(name)} "
        f"--member {deployment.pubsub_agent(name)} --role roles/pubsub.subscriber",
    )
    yield _kept(policy, deployment)


def _granted(subject: str, grants: Grants | Unread, roles: frozenset[str], mend: str) -> Finding:
    check = Check.DEAD_LETTER_GRANTS
    if isinstance(grants, Unread):
        return unread(check, subject, grants)
    if any(role in roles and member.endswith(PUBSUB_AGENT) for role, member in grants):
        return ok(check, subject, "Pub/Sub's service agent has its role there.")
    said = "Pub/Sub's service agent has no role on it itself; without one on the project, no dead letter is moved."
    return warning(check, subject, said, mend)


def _kept(policy: DeadLetterFacts, deployment: Deployment) -> Finding:
    check = Check.DEAD_LETTERS_KEPT
    if isinstance(policy.subscriptions, Unread):
        return unread(check, policy.topic, policy.subscriptions)
    if policy.subscriptions:
        return ok(check, policy.topic, f"They are kept in {', '.join(policy.subscriptions)}.")
    mend = (
        f"gcloud pubsub subscriptions create {deployment.named(policy.topic)} --topic {quote(short(policy.topic))} "
        "--ack-deadline 60 --expiration-period never --message-retention-duration 31d"
    )
    return failed(check, policy.topic, "The topic has no subscription: dead letters are lost.", mend)
