"""A subscription as Pub/Sub shows it, read for the judgements."""

from datetime import timedelta

import pytest
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import ExpirationPolicy, PushConfig, RetryPolicy, Subscription

from replicator.adapters.inspection.pubsub import PubsubInspection
from replicator.doctor.facts import SubscriptionFacts, Unread
from tests.pubsub_stand_in import PubsubStandIn, pubsub

NAME, TOPIC = "projects/p/subscriptions/s", "projects/p/topics/t"


@pytest.fixture(scope="module")
def server():
    with pubsub() as running:
        yield running


@pytest.fixture
def looked_at(server: PubsubStandIn, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
    inspection = PubsubInspection(None)

    def look(**more) -> SubscriptionFacts:
        server.subscriptions[NAME] = Subscription({"name": NAME, "topic": TOPIC, "ack_deadline_seconds": 10, **more})
        found = inspection.look_at(NAME)
        assert isinstance(found, SubscriptionFacts)
        return found

    return look


@pytest.mark.parametrize(
    ("values", "active"),
    [
        ({}, True),
        ({"state": Subscription.State.ACTIVE}, True),
        ({"state": Subscription.State.RESOURCE_ERROR}, False),
        ({"detached": True}, False),
        ({"topic": "_deleted-topic_"}, False),
    ],
)
def test_a_subscription_that_gets_nothing_is_not_active(looked_at, values, active):
    assert looked_at(**values).active is active


@pytest.mark.parametrize(
    ("policy", "expires"),
    [(None, None), (ExpirationPolicy(), None), (ExpirationPolicy(ttl=Duration(seconds=86_400)), 86_400)],
)
def test_without_a_time_to_live_it_never_expires(looked_at, policy, expires):
    assert looked_at(**({} if policy is None else {"expiration_policy": policy})).expires == expires


def test_where_it_pushes_and_as_whom_is_read(looked_at):
    token = PushConfig.OidcToken(service_account_email="a@b", audience="https://x")
    found = looked_at(push_config=PushConfig(push_endpoint="https://x/", oidc_token=token), ack_deadline_seconds=600)
    assert (found.endpoint, found.account, found.audience, found.ack_deadline) == (
        "https://x/",
        "a@b",
        "https://x",
        600,
    )
    assert (looked_at().endpoint, looked_at().account, looked_at().audience) == (None, None, None)


def test_the_waits_between_deliveries_are_read_where_there_are_any(looked_at):
    policy = RetryPolicy(minimum_backoff=timedelta(seconds=10), maximum_backoff=timedelta(seconds=600))
    assert looked_at(retry_policy=policy).backoff == (10, 600)
    assert looked_at().backoff is None


def test_a_topic_that_does_not_exist_is_nobody_s_to_publish_to(server, monkeypatch):
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", server.address)
    monkeypatch.setattr(server, "publishable", {TOPIC})
    inspection = PubsubInspection(None)
    assert inspection.may_publish(TOPIC) is True
    assert inspection.may_publish("projects/p/topics/other") is False
    monkeypatch.setattr(server, "denied", {"TestIamPermissions"})
    assert isinstance(inspection.may_publish(TOPIC), Unread)
