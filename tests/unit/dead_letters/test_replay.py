"""Where dead letters may be published again: only where somebody else gets them."""

import pytest

from replicator.dead_letters import require_delivery
from replicator.errors import Permanent
from replicator.reasons import Reason
from tests.fakes import InMemoryTopic

DEAD, PUSH = "projects/p/subscriptions/dead", "projects/p/subscriptions/push"


def test_a_topic_that_is_delivered_will_do():
    topic = InMemoryTopic(PUSH)
    require_delivery(topic, DEAD)
    assert topic.published == []


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (InMemoryTopic(), Reason.TOPIC_UNFOLLOWED),
        (InMemoryTopic(DEAD), Reason.TOPIC_OF_DEAD_LETTERS),
        (InMemoryTopic(PUSH, DEAD), Reason.TOPIC_OF_DEAD_LETTERS),
    ],
)
def test_a_topic_that_loses_messages_or_gives_them_back_will_not(topic, reason):
    with pytest.raises(Permanent) as refused:
        require_delivery(topic, DEAD)
    assert refused.value.reason is reason
    assert topic.published == []
