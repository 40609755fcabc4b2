import base64
import threading
from datetime import UTC, datetime

import pytest

from replicator.dev.deliveries import Backoff
from replicator.dev.message import Message, revived
from replicator.dev.push import PushSubscription, push_envelope
from replicator.dev.sockets import bind, url_of
from tests.unit.dev.endpoint import SILENCE, endpoint

AT_ONCE = Backoff(0.001, 0.002)
MESSAGE = Message("7", b"Hello", {"bucket": "b"}, datetime(2021, 2, 26, 19, 13, 55, 749_000, UTC))


@pytest.fixture
def reports():
    return []


def test_the_envelope_is_what_pubsub_pushes():
    assert push_envelope(MESSAGE, "projects/p/subscriptions/s", 5) == {
        "deliveryAttempt": 5,
        "message": {
            "attributes": {"bucket": "b"},
            "data": base64.b64encode(b"Hello").decode(),
            "messageId": "7",
            "message_id": "7",
            "publishTime": "2021-02-26T19:13:55.749Z",
            "publish_time": "2021-02-26T19:13:55.749Z",
        },
        "subscription": "projects/p/subscriptions/s",
    }


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_a_message_that_is_acknowledged_is_delivered_once(status, reports):
    with endpoint(status) as there, PushSubscription(there.url, reports.append, backoff=AT_ONCE) as push:
        push.add(MESSAGE)
        assert push.settle(5)
        assert len(there.requests) == 1
        assert push.dead_letters == ()
    assert reports == []


@pytest.mark.parametrize("status", [500, 503, 429, 404, 400, 301, 203])
def test_every_other_status_asks_for_the_message_again(status, reports):
    with endpoint(status, status, 204) as there, PushSubscription(there.url, reports.append, backoff=AT_ONCE) as push:
        push.add(MESSAGE)
        assert push.settle(5)
        envelopes = [body for _, body in there.requests]
    assert [envelope["deliveryAttempt"] for envelope in envelopes] == [1, 2, 3]
    assert {envelope["message"]["messageId"] for envelope in envelopes} == {"7"}
    assert push.dead_letters == ()


def test_no_answer_within_the_ack_deadline_asks_for_the_message_again(reports):
    with (
        endpoint(SILENCE, 204) as there,
        PushSubscription(there.url, reports.append, backoff=AT_ONCE, ack_deadline=0.05) as push,
    ):
        push.add(MESSAGE)
        assert push.settle(5)
        assert len(there.requests) == 2


def test_a_message_that_is_refused_too_often_is_a_dead_letter(reports):
    with (
        endpoint(500) as there,
        PushSubscription(there.url, reports.append, backoff=AT_ONCE, max_attempts=3) as push,
    ):
        push.add(MESSAGE)
        assert push.settle(5)
        assert len(there.requests) == 3
        assert [revived(letter).data for letter in push.dead_letters] == [MESSAGE.data]
    assert reports == ["Pub/Sub gave up the message 7 after attempt 3: 500"]


def test_an_endpoint_that_is_not_there_is_tried_again_too(reports):
    with bind(0) as nobody:
        url = url_of(nobody)
    with PushSubscription(url, reports.append, backoff=AT_ONCE, max_attempts=2) as push:
        push.add(MESSAGE)
        assert push.settle(5)
        assert [revived(letter).data for letter in push.dead_letters] == [MESSAGE.data]


def test_one_message_that_is_refused_does_not_hold_up_the_others(reports):
    with (
        endpoint(500, 204) as there,
        PushSubscription(there.url, reports.append, backoff=Backoff(30, 30), concurrency=1) as push,
    ):
        push.add(MESSAGE)
        push.add(MESSAGE)
        assert [there.arrived.acquire(timeout=5) for _ in range(2)] == [True, True]
        assert not push.settle(0), "the refused message is still to be delivered"
        push.stop()


def test_no_more_messages_than_allowed_are_out_at_once(reports):
    with endpoint(204) as there, PushSubscription(there.url, reports.append, concurrency=3) as push:
        there.full = threading.Barrier(3)
        for _ in range(9):
            push.add(MESSAGE)
        assert push.settle(5)
        assert there.most_at_once == 3


def test_dead_letters_can_be_delivered_again(reports):
    with (
        endpoint(500, 500, 204) as there,
        PushSubscription(there.url, reports.append, backoff=AT_ONCE, max_attempts=2) as push,
    ):
        push.add(MESSAGE)
        assert push.settle(5)
        assert [revived(letter).data for letter in push.dead_letters] == [MESSAGE.data]
        assert push.replay() == 1
        assert push.settle(5)
        assert [body["message"]["attributes"] for _, body in there.requests] == [MESSAGE.attributes] * 3
        assert push.dead_letters == ()
        assert push.replay() == 0


def test_a_dead_letter_says_where_it_comes_from_and_how_often_it_was_tried(reports):
    with (
        endpoint(500) as there,
        PushSubscription(there.url, reports.append, backoff=AT_ONCE, max_attempts=3) as push,
    ):
        push.add(MESSAGE)
        assert push.settle(5)
        (letter,) = push.dead_letters
    assert letter.attributes == {
        "bucket": "b",
        "CloudPubSubDeadLetterSourceDeliveryCount": "3",
        "CloudPubSubDeadLetterSourceSubscription": "replicate",
        "CloudPubSubDeadLetterSourceSubscriptionProject": "local",
        "CloudPubSubDeadLetterSourceTopicPublishTime": "2021-02-26T19:13:55.749+00:00",
    }
    assert letter.published_at > MESSAGE.published_at
