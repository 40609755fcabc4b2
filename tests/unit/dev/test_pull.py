"""The embedded pull subscription, beyond what tests/contract/test_dead_letters.py asks of every one."""

from datetime import UTC, datetime

from replicator.dev.message import Message
from replicator.dev.pull import ACK_DEADLINE, PullSubscription
from tests.fakes import Clock

SUBSCRIPTION = "projects/p/subscriptions/s"


def message(number: int) -> Message:
    return Message(str(number), b"x", {}, datetime(2026, 1, 1, tzinfo=UTC))


def test_messages_stay_in_order_until_they_are_acknowledged_hidden_or_not():
    subscription = PullSubscription(SUBSCRIPTION)
    for number in range(3):
        subscription.add(message(number))
    pulled = subscription.pull(2)
    assert [found.message_id for found in subscription.messages] == ["0", "1", "2"]
    subscription.acknowledge([pulled[0][0]])
    assert [found.message_id for found in subscription.messages] == ["1", "2"]


def test_a_message_that_was_not_acknowledged_comes_again_after_the_ack_deadline():
    clock = Clock()
    subscription = PullSubscription(SUBSCRIPTION, clock)
    subscription.add(message(1))
    subscription.pull(1)
    clock.advance(ACK_DEADLINE - 1)
    assert subscription.pull(1) == []
    clock.advance(1)
    assert len(subscription.pull(1)) == 1


def test_all_are_taken_at_once_those_in_somebody_s_hands_too():
    subscription = PullSubscription(SUBSCRIPTION)
    subscription.add(message(1))
    ((ack_id, _),) = subscription.pull(1)
    assert [found.message_id for found in subscription.take_all()] == ["1"]
    subscription.modify([ack_id], 0)
    subscription.acknowledge([ack_id])
    assert subscription.messages == ()
