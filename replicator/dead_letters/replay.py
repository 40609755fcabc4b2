"""Where dead letters may be published again without being lost."""

from replicator.errors import Permanent
from replicator.events import FAILED_DELIVERIES
from replicator.model import DeadLetter
from replicator.ports import ReplayTopic
from replicator.reasons import Reason


def renewed_attributes(letter: DeadLetter) -> dict[str, str]:
    """Those of the message that replaces it: what failed before it was mended counts no more."""
    return {name: value for name, value in letter.attributes.items() if name != FAILED_DELIVERIES}


def require_delivery(topic: ReplayTopic, dead_letters: str) -> None:
    """Returns if somebody else than the subscription `dead_letters` gets what is published to the topic.

    A topic without subscriptions confirms each message and keeps none of them
    (https://cloud.google.com/pubsub/docs/subscription-overview): it would take a mistyped name to lose them all.

    Raises `Permanent(topic_unfollowed or topic_of_dead_letters)`, and as `ReplayTopic`.
    """
    found = topic.subscriptions()
    if not found:
        raise Permanent(Reason.TOPIC_UNFOLLOWED)
    if dead_letters in found:
        raise Permanent(Reason.TOPIC_OF_DEAD_LETTERS)
