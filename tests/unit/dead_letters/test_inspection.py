"""What stands in the way of a dead letter now: what the service would answer to it, and nothing is written."""

import json
from base64 import b64encode
from datetime import UTC, datetime

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.dead_letters import Aspect, inspect, inspect_all
from replicator.engine import Engine, RetryPolicy
from replicator.errors import Permanent, Transient
from replicator.model import DeadLetter, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Filter, Rule, RuleSet
from replicator.transfer import Transfer
from replicator.web.replicate import ReplicateDoors
from tests.fakes import InMemoryDestination, InMemorySource
from tests.service.envelopes import eventbridge, notification

BUCKET = "source"
KEY = SourceKey(BUCKET, "k")
RULES = (
    Rule("all", frozenset({BUCKET}), "replica"),
    Rule("large", frozenset({BUCKET}), "archive", filter=Filter(min_size=100), priority=2),
    Rule("medium", frozenset({BUCKET}), "archive", filter=Filter(min_size=10), priority=1),
)


class Sides:
    def __init__(self, rules=RULES[:1]) -> None:
        self.source = InMemorySource(BUCKET)
        self.destination = InMemoryDestination({"replica", "archive"})
        self.rules = RuleSet(rules)
        transfer = Transfer(self.source, self.destination, 64 * 1024)
        reconciler = Reconciler(self.source, self.destination, transfer, self.rules)
        self.engine = Engine(self.rules, reconciler, RetryPolicy(0, 0.0, 1.0, lambda seconds: None), 60)

    def inspect(self, body: object):
        return inspect(letter(body), self.engine, self.engine.new_deadline())

    def fail(self, error: Exception) -> None:
        def stat(_key):
            raise error

        self.source.stat = stat


def letter(body: object, message_id: str = "m") -> DeadLetter:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return DeadLetter("h", message_id, data, {}, datetime(2026, 1, 1, tzinfo=UTC), 5)


@pytest.fixture
def sides() -> Sides:
    return Sides()


def test_a_mended_message_shows_what_it_would_come_to_and_nothing_is_written(sides):
    sides.source.put(KEY, b"hello")
    found = sides.inspect(eventbridge("k", bucket=BUCKET))
    assert (found.mended, found.malformed) == (True, None)
    assert found.aspects == (Aspect(Reason.DESTINATION_ABSENT, "k", frozenset({"all"})),)
    assert sides.destination.writes == []


@pytest.mark.parametrize(
    "error", [Permanent(Reason.SOURCE_ACCESS_DENIED), Transient(Reason.SOURCE_UNAVAILABLE), KeyError("unforeseen")]
)
def test_a_message_that_would_fail_is_not_mended(sides, error):
    sides.fail(error)
    found = sides.inspect(eventbridge("k", bucket=BUCKET))
    assert not found.mended
    assert [aspect.reason for aspect in found.aspects] == [getattr(error, "reason", Reason.UNEXPECTED)]


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b"{}", {"Records": []}])
def test_what_is_no_event_is_malformed(sides, body):
    found = sides.inspect(body)
    assert (found.mended, found.events, found.aspects) == (False, (), (Aspect(Reason.EVENT_MALFORMED),))
    assert found.malformed.detail


def test_an_event_that_asks_for_nothing_is_mended(sides):
    found = sides.inspect({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET})
    assert (found.mended, found.aspects) == (True, (Aspect(Reason.TEST_EVENT),))


def test_a_message_with_several_events_is_mended_only_if_all_are(sides):
    sides.source.put(SourceKey(BUCKET, "a"), b"hello")
    sides.source.put(SourceKey(BUCKET, "b"), b"hello", archived=True)
    found = sides.inspect(notification("a", "b", bucket=BUCKET))
    assert [(aspect.reason, aspect.key) for aspect in found.aspects] == [
        (Reason.DESTINATION_ABSENT, "a"),
        (Reason.SOURCE_ARCHIVED, "b"),
    ]
    assert not found.mended


def test_a_failure_belongs_to_every_rule_that_may_write_the_destination():
    sides = Sides(RULES)
    sides.fail(Permanent(Reason.SOURCE_ACCESS_DENIED))
    found = sides.inspect(eventbridge("k", bucket=BUCKET))
    assert [aspect.rules for aspect in found.aspects] == [{"large", "medium"}, {"all"}]
    sides = Sides(RULES)
    sides.source.put(KEY, bytes(50))
    found = sides.inspect(eventbridge("k", bucket=BUCKET))
    assert [aspect.rules for aspect in found.aspects] == [{"medium"}, {"all"}]


def test_what_no_rule_is_for_would_be_ignored(sides):
    found = sides.inspect(eventbridge("k", bucket="other"))
    assert (found.mended, found.aspects) == (True, (Aspect(Reason.BUCKET_NOT_IN_RULES, "k"),))


def nested(depth: int) -> object:
    """An event in so many lists."""
    document: object = eventbridge("k", bucket=BUCKET)
    for _ in range(depth):
        document = [document]
    return document


BODIES = {
    "event": eventbridge("k", bucket=BUCKET),
    "notification": notification("k", "l", bucket=BUCKET),
    "other bucket": eventbridge("k", bucket="other"),
    "missing bucket": eventbridge("k", bucket="missing"),
    "test event": {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": BUCKET},
    "malformed": b"not json",
    "empty": b"",
    "as deep as can be": nested(9),
    "too deep": nested(10),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("archived", [False, True])
def test_a_message_is_mended_where_the_service_would_acknowledge_it(body, archived):
    sides = Sides((Rule("all", frozenset({BUCKET, "missing"}), "replica"),))
    sides.source.put(KEY, b"hello", archived=archived)
    found = sides.inspect(body)
    data = b64encode(letter(body).data).decode()
    client = Client(Request.application(ReplicateDoors(lambda: sides.engine)))
    answer = client.post(
        "/", json={"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"}
    )
    assert found.mended is (answer.status_code == 204)


def test_many_are_inspected_in_their_order(sides):
    letters = [letter(eventbridge(f"k{number}", bucket=BUCKET), str(number)) for number in range(50)]
    found = inspect_all(letters, sides.engine, sides.engine.new_deadline())
    assert [one.letter for one in found] == letters
    assert [one.aspects[0].key for one in found] == [f"k{number}" for number in range(50)]
