"""Looks at the push subscription, its dead letters, and who may do what with them."""

from collections.abc import Callable
from typing import Any, TypeVar

from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.pubsub_v1.types import Subscription

from replicator.doctor.facts import DeadLetterFacts, Grants, SubscriptionFacts, Unread

T = TypeVar("T")

TIMEOUT = 10
DETACHED = "_deleted-topic_"
"""What a subscription's topic is called when there is none any more
(https://cloud.google.com/pubsub/docs/reference/rest/v1/projects.subscriptions)."""


class PubsubInspection:
    """For one identity, or for the emulator that the SDK's own variable `PUBSUB_EMULATOR_HOST` names."""

    def __init__(self, credentials: Credentials | None) -> None:
        self._subscriber = SubscriberClient(credentials=credentials)
        self._publisher = PublisherClient(credentials=credentials)

    def look_at(self, name: str) -> SubscriptionFacts | Unread | None:
        """`None` where there is no such subscription."""
        try:
            found = _seen(
                lambda: self._subscriber.get_subscription(subscription=name, timeout=TIMEOUT, retry=None),
                "pubsub.subscriptions.get",
            )
        except api.NotFound:
            return None
        return found if isinstance(found, Unread) else self._facts(name, found)

    def may_publish(self, topic: str) -> bool | Unread:
        """Whether the caller may; a topic that does not exist nobody may publish to."""
        asked = {"resource": topic, "permissions": ["pubsub.topics.publish"]}
        try:
            found = _seen(
                lambda: self._publisher.test_iam_permissions(request=asked, timeout=TIMEOUT, retry=None), None
            )
        except api.NotFound:
            return False
        return found if isinstance(found, Unread) else bool(found.permissions)

    def _facts(self, name: str, found: Any) -> SubscriptionFacts:
        push = found.push_config
        backoff, expiration, dead = found.retry_policy, found.expiration_policy, found.dead_letter_policy
        return SubscriptionFacts(
            name,
            found.topic,
            not found.detached and found.topic != DETACHED and found.state in (0, Subscription.State.ACTIVE),
            push.push_endpoint or None,
            push.oidc_token.service_account_email or None,
            push.oidc_token.audience or None,
            found.ack_deadline_seconds,
            (backoff.minimum_backoff.total_seconds(), backoff.maximum_backoff.total_seconds()) if backoff else None,
            expiration.ttl.total_seconds() if expiration and expiration.ttl else None,
            self._dead_letters(dead.dead_letter_topic, dead.max_delivery_attempts) if dead else None,
            self._grants(self._subscriber, name, "pubsub.subscriptions.getIamPolicy"),
        )

    def subscriptions_of(self, topic: str) -> tuple[str, ...] | Unread:
        """None for a topic that does not exist."""
        try:
            return _seen(
                lambda: tuple(self._publisher.list_topic_subscriptions(topic=topic, timeout=TIMEOUT, retry=None)),
                "pubsub.topics.get",
            )
        except api.NotFound:
            return ()

    def _dead_letters(self, topic: str, attempts: int) -> DeadLetterFacts:
        grants = self._grants(self._publisher, topic, "pubsub.topics.getIamPolicy")
        return DeadLetterFacts(topic, attempts, grants, self.subscriptions_of(topic))

    def _grants(self, client: Any, resource: str, permission: str) -> Grants | Unread:
        asked = {"resource": resource}
        try:
            policy = _seen(lambda: client.get_iam_policy(request=asked, timeout=TIMEOUT, retry=None), permission)
        except api.NotFound:
            return frozenset()
        if isinstance(policy, Unread):
            return policy
        return frozenset((binding.role, member) for binding in policy.bindings for member in binding.members)


def _seen(look: Callable[[], T], permission: str | None) -> T | Unread:
    """Raises `NotFound` and nothing else."""
    try:
        return look()
    except api.NotFound:
        raise
    except api.Forbidden:
        return Unread("Pub/Sub refuses it", permission)
    except api.MethodNotImplemented:
        return Unread("this Pub/Sub has no such method, as a server for tests may not")
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        return Unread(f"Pub/Sub gives no answer: {type(error).__name__}")
