"""What one request cannot finish is handed over: to which messages, when, and what is said of it."""

import json
import logging

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.errors import Permanent, Transient, Unfinished
from replicator.events import parse
from replicator.model import Change, SourceKey
from replicator.reasons import Reason
from replicator.rules import Rule
from replicator.telemetry import record_with
from replicator.web.replicate import ReplicateDoors
from tests.unit.web.doors import KEY, SECRET, FakePublisher, Service, eventbridge, pushed

K, A, B, C = "gs://replica/k", "gs://replica/a", "gs://replica/b", "gs://replica/c"
THREE = [SourceKey("source", key) for key in "abc"]


@pytest.fixture
def service(caplog):
    caplog.set_level(logging.INFO, "replicator")
    service = Service(FakePublisher())
    for key in (KEY, *THREE):
        service.source.put(key, key.key.encode())
    return service


def unfinished() -> Unfinished:
    return Unfinished(5, 10)


def out_of_time() -> Transient:
    return Transient(Reason.OUT_OF_TIME)


def handed_over(service) -> list[Change]:
    return [notice for data, _ in service.publisher.published for notice in parse(data)]


def said(caplog) -> list[tuple[str, str]]:
    return [(line.json_fields["result"], line.json_fields["reason"]) for line in caplog.records]


# --- One change -------------------------------------------------------------------------------------------------------

EVENT = {**eventbridge(), "time": "2026-01-01T00:00:00.123456Z"}
EVENT["detail"]["object"] |= {"version-id": "v1", "sequencer": "0055"}
RECORD = {"eventName": "ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00Z", "s3": eventbridge()["detail"]}


@pytest.mark.parametrize("path", ["/", "/v1/replicate"])
@pytest.mark.parametrize("body", [EVENT, [EVENT], {"Records": [RECORD]}], ids=lambda body: str(body)[:25])
def test_an_unfinished_copy_goes_on_with_a_message_that_says_the_same(service, path, body):
    service.errors[K] = [unfinished()]
    [change] = parse(json.dumps(body).encode())
    answer = service.post(path, pushed(body))
    assert (answer.status_code, answer.data) == (204, b"")
    assert handed_over(service) == [change]
    [(data, attributes)] = service.publisher.published
    assert attributes == {"bucket": "source", "kind": change.kind, "event_id": change.event_id or ""}
    assert service.post("/", pushed(data)).status_code == 204
    assert len(service.publisher.published) == 1
    assert service.destination.data(service.destination.stat(next(iter(service.destination.objects))).name) == b"k"


@pytest.mark.parametrize("path", ["/", "/v1/replicate"])
def test_what_comes_without_an_envelope_goes_on_when_it_comes_again(service, path):
    """Nothing would count its failed deliveries: handed over, it might go round for ever."""
    service.errors[K] = [unfinished()]
    answer = service.post(path, EVENT)
    assert (answer.status_code, answer.json["reason"], service.publisher.published) == (503, "unfinished", [])
    assert service.post(path, EVENT).status_code == 204


def test_it_is_acknowledged_when_the_message_is_safe_and_not_before(service):
    happened = []
    service.publisher.on_publish = lambda: happened.append("published")
    client = Client(observed(service.doors, lambda: happened.append("acknowledged")))
    service.errors[K] = [unfinished()]
    assert client.post("/", json=pushed(eventbridge())).status_code == 204
    assert happened == ["published", "acknowledged"]


def observed(doors, answering):
    application = Request.application(doors)

    def observing(environ, start_response):
        def start(*arguments):
            answering()
            return start_response(*arguments)

        return application(environ, start)

    return observing


def test_however_often_it_takes_each_message_is_followed_by_one(service):
    service.errors[K] = [Unfinished(copied, 10) for copied in range(1, 10)]
    body = eventbridge()
    for messages in range(1, 10):
        assert service.post("/", pushed(body)).status_code == 204
        assert len(service.publisher.published) == messages
        body = service.publisher.published[-1][0]
    assert service.post("/", pushed(body)).status_code == 204
    assert len(service.publisher.published) == 9


def test_failed_deliveries_are_counted_from_message_to_message(service):
    service.errors[K] = [unfinished(), unfinished()]
    service.post("/", pushed(eventbridge(), deliveryAttempt=3))
    [(data, attributes)] = service.publisher.published
    assert attributes["failed_deliveries"] == "2"
    message = pushed(data, deliveryAttempt=2)
    message["message"]["attributes"] = attributes
    service.post("/", message)
    assert service.publisher.published[1][1]["failed_deliveries"] == "3"


@pytest.mark.parametrize(
    ("attributes", "attempt", "handed"),
    [
        ({"failed_deliveries": "4"}, 1, True),
        ({"failed_deliveries": "4"}, 2, False),
        ({"failed_deliveries": "5"}, None, False),
        ({}, 5, True),
        ({}, 6, False),
        ({"failed_deliveries": "many"}, 1, True),
        ({"failed_deliveries": "9" * 400}, 1, True),
        ({"failed_deliveries": 7}, 1, True),
        ("failed_deliveries", 1, True),
        ({}, -3, True),
    ],
)
def test_what_fails_again_and_again_at_its_end_becomes_a_dead_letter(service, attributes, attempt, handed):
    """It is not handed over any more, so that Pub/Sub counts its deliveries."""
    service.errors[K] = [unfinished()]
    message = pushed(eventbridge(), **({} if attempt is None else {"deliveryAttempt": attempt}))
    message["message"]["attributes"] = attributes
    assert service.post("/", message).status_code == (204 if handed else 503)
    assert len(service.publisher.published) == handed


def test_the_line_says_how_far_it_got_and_which_message_goes_on(service, caplog):
    service.errors[K] = [unfinished()]
    service.post("/", pushed(eventbridge(), deliveryAttempt=2))
    (line,) = caplog.records
    assert (line.levelno, line.getMessage()) == (logging.INFO, "handed over: s3://source/k")
    fields = line.json_fields
    del fields["request_id"], fields["duration_seconds"]
    assert fields.pop("lag_seconds") > 0
    assert fields == {
        "result": "handed_over",
        "reason": "unfinished",
        "copied": 5,
        "size": 10,
        "message_id": "1",
        "delivery_attempt": 2,
        "next_message_id": "4712",
        "rule": "default",
        "source": "s3://source/k",
        "destination": K,
        "attempts": 1,
        "door": "event",
        "event": "Object Created",
        "event_id": "e-1",
    }


def test_it_is_recorded_once_and_as_no_failure(service):
    recorded = []
    record_with(recorded.append)
    try:
        service.errors[K] = [unfinished()]
        service.event()
        service.post("/", pushed(service.publisher.published[0][0]))
    finally:
        record_with()
    assert [fields["result"] for fields in recorded] == ["handed_over", "created"]


def test_it_is_not_tried_again_in_the_same_request(service):
    service.max_retries = 5
    service.errors[K] = [unfinished(), unfinished()]
    assert service.event().status_code == 204
    assert len(service.errors[K]) == 1


# --- What is not handed over ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [out_of_time(), Transient(Reason.CONTENTION), Permanent(Reason.SOURCE_ARCHIVED)])
def test_a_change_that_gets_nowhere_is_refused_so_that_it_becomes_a_dead_letter(service, caplog, error):
    service.errors[K] = [error] * 3
    for _ in range(3):
        assert service.event().status_code in (422, 503)
    assert service.publisher.published == []
    assert said(caplog) == [("failed", error.reason)] * 3


def test_one_that_got_ahead_and_then_gets_nowhere_is_refused_then(service):
    service.errors[K] = [unfinished(), out_of_time()]
    assert [service.event().status_code for _ in range(3)] == [204, 503, 204]
    assert len(service.publisher.published) == 1


def test_without_a_topic_the_message_is_asked_for_again_and_told_how_far_it_got(caplog):
    service = Service()
    service.source.put(KEY, b"k")
    service.errors[K] = [unfinished()]
    answer = service.event()
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert (answer.json["reason"], answer.json["copied"], answer.json["size"]) == ("unfinished", 5, 10)
    assert int(answer.headers["Retry-After"]) > 0
    (line,) = caplog.records
    fields = line.json_fields
    assert (line.levelno, fields["result"], fields["permanent"]) == (logging.WARNING, "failed", False)
    assert (fields["copied"], fields["size"]) == (5, 10)
    assert service.event().status_code == 204


@pytest.mark.parametrize(
    ("error", "logged", "answered"),
    [
        (Transient(Reason.PUBLISH_FAILED, "Timeout"), "publish_failed", "publish_failed"),
        (ValueError(SECRET), "unexpected", "unfinished"),
    ],
    ids=repr,
)
def test_what_could_not_be_published_is_asked_for_again(service, caplog, error, logged, answered):
    service.errors[K] = [unfinished()]
    service.publisher.error = error
    answer = service.event()
    assert (answer.status_code, answer.json["reason"]) == (503, answered)
    assert said(caplog) == [("failed", logged), ("failed", "unfinished")]
    assert SECRET not in f"{answer.text} {[line.json_fields for line in caplog.records]}"
    service.publisher.error = None
    assert service.event().status_code == 204


def test_a_publisher_that_cannot_be_built_loses_nothing_and_is_tried_again(service):
    """For want of credentials, perhaps."""
    publishers = [ValueError(SECRET), service.publisher]

    def publisher():
        if isinstance(publishers[0], Exception):
            raise publishers.pop(0)
        return publishers[0]

    client = Client(Request.application(ReplicateDoors(service._engine, publisher)))
    service.errors[K] = [unfinished(), unfinished()]
    assert [client.post("/", json=pushed(eventbridge())).status_code for _ in range(2)] == [503, 204]
    assert len(service.publisher.published) == 1


@pytest.mark.parametrize("path", ["/v1/replicate", "/v1/replicate:batch"])
def test_a_caller_is_told_how_far_it_got_and_nothing_is_published(service, path):
    service.errors[K] = [unfinished()]
    call = {"bucket": "source", "key": "k"}
    if path.endswith("batch"):
        [found] = service.batch(call).json["items"]
    else:
        answer = service.direct()
        found = answer.json
        assert (answer.mimetype, int(answer.headers["Retry-After"]) > 0) == ("application/problem+json", True)
    assert (found["status"], found["reason"], found["copied"], found["size"]) == (503, "unfinished", 5, 10)
    assert (found["source"], found["destination"]) == ("s3://source/k", K)
    assert service.publisher.published == []
    assert service.direct().status_code == 201


# --- Several changes, several destinations ----------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(3))
def test_of_three_changes_only_the_unfinished_one_is_handed_over(service, caplog, place):
    service.errors[(A, B, C)[place]] = [unfinished()]
    assert service.event(*THREE).status_code == 204
    assert [change.source for change in handed_over(service)] == [THREE[place]]
    assert sorted(result for result, _ in said(caplog)) == ["created", "created", "handed_over"]


def test_the_same_change_twice_in_one_message_is_handed_over_once(service):
    service.errors[A] = [unfinished(), unfinished()]
    assert service.event(THREE[0], THREE[0]).status_code == 204
    assert len(service.publisher.published) == 1


@pytest.mark.parametrize("reason", [Reason.OUT_OF_TIME, Reason.STOPPING])
def test_those_for_which_it_left_no_time_are_handed_over_with_it(service, caplog, reason):
    """Each to a message of its own: one that gets nowhere there becomes a dead letter alone."""
    service.errors |= {A: [unfinished()], B: [Transient(reason)], C: [Transient(reason)]}
    assert service.event(*THREE).status_code == 204
    assert [change.source for change in handed_over(service)] == THREE
    assert said(caplog) == [
        ("handed_over", "unfinished"),
        ("handed_over", reason),
        ("handed_over", reason),
    ]
    assert len({line.json_fields["next_message_id"] for line in caplog.records}) == 3


@pytest.mark.parametrize("error", [Permanent(Reason.SOURCE_ARCHIVED), Transient(Reason.CONTENTION), ValueError(SECRET)])
def test_beside_a_failure_nothing_is_published_for_the_message_comes_again(service, caplog, error):
    service.errors |= {A: [unfinished()], C: [error]}
    answer = service.event(*THREE)
    assert answer.status_code in (422, 500, 503)
    assert service.publisher.published == []
    assert ("failed", "unfinished") in said(caplog)
    assert service.event(*THREE).status_code == 204


def test_when_one_of_several_cannot_be_published_the_whole_message_comes_again(service):
    service.errors |= {A: [unfinished()], B: [unfinished()]}

    def publish(*_):
        if service.publisher.published:
            service.publisher.error = Transient(Reason.PUBLISH_FAILED)

    service.publisher.on_publish = publish
    answer = service.event(*THREE)
    assert (answer.status_code, answer.json["reason"]) == (503, "publish_failed")


def test_one_change_with_two_unfinished_destinations_is_one_message(service, caplog):
    service.destination.buckets.add("second")
    service.more_rules = (
        Rule("second", frozenset({"source"}), "second"),
        Rule("third", frozenset({"source"}), "third"),
    )
    service.destination.buckets.add("third")
    service.errors |= {K: [unfinished()], "gs://second/k": [Unfinished(7, 10)]}
    assert service.event().status_code == 204
    assert len(handed_over(service)) == 1
    lines = [line.json_fields for line in caplog.records if line.json_fields["result"] == "handed_over"]
    assert [(line["destination"], line["copied"]) for line in lines] == [(K, 5), ("gs://second/k", 7)]
    assert {line["next_message_id"] for line in lines} == {"4712"}
    assert {name.bucket for name in service.destination.objects} == {"third"}


def test_a_caller_with_several_destinations_learns_of_each_how_far_it_got(service):
    service.destination.buckets.add("second")
    service.more_rules = (Rule("second", frozenset({"source"}), "second"),)
    service.errors |= {"gs://second/k": [Unfinished(7, 10)]}
    answer = service.direct()
    assert (answer.status_code, answer.json["reason"]) == (503, "unfinished")
    first, second = answer.json["outcomes"]
    assert (first["result"], second["copied"], second["size"]) == ("created", 7, 10)
