"""A message in the embedded Pub/Sub, and what it becomes when its delivery is given up."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

ADDED = "CloudPubSubDeadLetterSource"


@dataclass(frozen=True, slots=True)
class Message:
    """A published message. `published_at` is in UTC."""

    message_id: str
    data: bytes
    attributes: Mapping[str, str]
    published_at: datetime


def given_up(message: Message, subscription: str, attempts: int) -> Message:
    """As it is published to the dead-letter topic. Unlike Pub/Sub's, it keeps its id.

    https://cloud.google.com/pubsub/docs/handling-failures
    """
    _, project, _, name = subscription.split("/")
    added = {
        f"{ADDED}DeliveryCount": str(attempts),
        f"{ADDED}Subscription": name,
        f"{ADDED}SubscriptionProject": project,
        f"{ADDED}TopicPublishTime": message.published_at.isoformat(timespec="milliseconds"),
    }
    return replace(message, attributes={**message.attributes, **added}, published_at=datetime.now(UTC))


def revived(message: Message) -> Message:
    """As it was published first."""
    kept = {name: value for name, value in message.attributes.items() if not name.startswith(ADDED)}
    return replace(message, attributes=kept)
