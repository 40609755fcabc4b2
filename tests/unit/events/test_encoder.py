"""A change becomes the event again that it came in as."""

import json
from datetime import UTC, datetime

from replicator.events import encode, message_attributes, parse
from replicator.model import Change, SourceKey

KEY = SourceKey("bkt", "a b+c%2F/ü")


def test_every_real_event_that_is_a_change_says_the_same_again(event_files: dict[str, bytes]) -> None:
    changes = [notice for content in event_files.values() for notice in parse(content) if isinstance(notice, Change)]
    assert len({change.kind for change in changes}) > 10
    for change in changes:
        assert parse(encode(change)) == (change,)


def test_a_change_from_eventbridge_is_an_event_of_eventbridge() -> None:
    change = Change(KEY, "Object Created", datetime(2026, 1, 1, tzinfo=UTC), "e-1", "v1", "0055")
    assert json.loads(encode(change)) == {
        "version": "0",
        "id": "e-1",
        "detail-type": "Object Created",
        "source": "aws.s3",
        "time": "2026-01-01T00:00:00+00:00",
        "detail": {
            "version": "0",
            "bucket": {"name": "bkt"},
            "object": {"key": "a b+c%2F/ü", "version-id": "v1", "sequencer": "0055"},
        },
    }


def test_a_change_from_a_notification_is_a_notification_because_eventbridge_has_no_such_type() -> None:
    change = Change(KEY, "ObjectCreated:Put", datetime(2026, 1, 1, tzinfo=UTC), "r-1", "v1", "0055")
    assert json.loads(encode(change)) == {
        "Records": [
            {
                "eventName": "ObjectCreated:Put",
                "eventTime": "2026-01-01T00:00:00+00:00",
                "responseElements": {"x-amz-request-id": "r-1"},
                "s3": {
                    "bucket": {"name": "bkt"},
                    "object": {"key": "a+b%2Bc%252F%2F%C3%BC", "versionId": "v1", "sequencer": "0055"},
                },
            }
        ]
    }


def test_what_a_change_does_not_say_is_left_out() -> None:
    event = json.loads(encode(Change(KEY, "Object Created")))
    assert set(event) == {"version", "detail-type", "source", "detail"}
    assert set(event["detail"]["object"]) == {"key"}
    [record] = json.loads(encode(Change(KEY, "ObjectCreated:Put")))["Records"]
    assert set(record) == {"eventName", "s3"}


def test_a_message_has_attributes_to_filter_by() -> None:
    assert message_attributes(Change(KEY, "Object Created", event_id="e-1")) == {
        "bucket": "bkt",
        "kind": "Object Created",
        "event_id": "e-1",
    }
    assert message_attributes(Change(KEY, "Object Created"))["event_id"] == ""
