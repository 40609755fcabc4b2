"""One line for each outcome, with documented fields, and with nothing in them that came with a request."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from replicator.errors import Permanent, Transient, Unfinished
from replicator.model import Change, DestinationName, Failure, IgnoredEvent, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.telemetry import (
    Occasion,
    describe_request,
    failure_fields,
    log_error,
    log_failure,
    log_handed_over,
    log_ignored,
    log_outcome,
    log_published,
    log_unexpected,
    outcome_fields,
    record_with,
    request_scope,
)

KEY = SourceKey("source", "a/ü k")
REPLICA = DestinationName("replica", "a/ü k")
OUTCOME = Outcome(
    Result.CREATED,
    Reason.DESTINATION_ABSENT,
    KEY,
    REPLICA,
    rule="default",
    generation=1_700_000_000_000_000,
    copied_bytes=5,
    path="whole",
    path_reason="size",
    checked="MD5",
    attempts=2,
    version_id="v2",
    not_held=("acl",),
)
SECRET = "do-not-show-this"
ABOUT_THE_EVENT = {"event": "Object Created", "event_id": "e-1", "event_version_id": "v1", "sequencer": "0055"}


def failed(error, **about) -> Failure:
    return Failure(error, KEY, REPLICA, "default", **about)


def change(occurred_at: datetime | None = None) -> Change:
    return Change(KEY, "Object Created", occurred_at, event_id="e-1", version_id="v1", sequencer="0055")


def ours(line: dict) -> dict:
    """A line without what Cloud Logging takes out of it."""
    return {name: value for name, value in line.items() if name not in ("severity", "message")}


# --- Lines and fields -------------------------------------------------------------------------------------------------


def test_an_outcome_is_one_line_with_all_there_is_to_know(lines):
    log_outcome(OUTCOME, Occasion("event", change()), 1.23456)
    (line,) = lines()
    assert (line["severity"], line["message"]) == ("INFO", "created: s3://source/a/ü k")
    assert ours(line) == {
        **ABOUT_THE_EVENT,
        "door": "event",
        "result": "created",
        "reason": "destination_absent",
        "rule": "default",
        "source": "s3://source/a/ü k",
        "destination": "gs://replica/a/ü k",
        "generation": "1700000000000000",
        "bytes": 5,
        "path": "whole",
        "path_reason": "size",
        "checked": "MD5",
        "attempts": 2,
        "version_id": "v2",
        "not_held": ["acl"],
        "duration_seconds": 1.235,
    }


def test_what_there_is_not_is_left_out(lines):
    log_outcome(Outcome(Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, KEY), Occasion("direct"), 0)
    (line,) = lines()
    assert ours(line) == {
        "door": "direct",
        "result": "ignored",
        "reason": "bucket_not_in_rules",
        "source": "s3://source/a/ü k",
        "bytes": 0,
        "attempts": 1,
        "duration_seconds": 0,
    }


def test_what_logs_and_answers_share_is_named_alike(lines):
    log_outcome(OUTCOME, Occasion("direct"), 0)
    log_failure(failed(Transient(Reason.CONTENTION)), Occasion("direct"), 0)
    outcome, failure = lines()
    assert outcome_fields(OUTCOME).items() <= outcome.items()
    assert failure_fields(failed(Transient(Reason.CONTENTION))).items() <= failure.items()


@pytest.mark.parametrize(("kind", "severity", "permanent"), [(Permanent, "ERROR", True), (Transient, "WARNING", False)])
def test_a_failure_is_one_line_and_a_permanent_one_asks_for_a_person(lines, kind, severity, permanent):
    log_failure(failed(kind(Reason.SOURCE_TOO_LARGE, "6 of 5"), attempts=4), Occasion("event", change()), 0.5)
    (line,) = lines()
    assert (line["severity"], line["message"]) == (severity, "failed: source_too_large")
    assert ours(line) == {
        **ABOUT_THE_EVENT,
        "door": "event",
        "source": "s3://source/a/ü k",
        "destination": "gs://replica/a/ü k",
        "rule": "default",
        "attempts": 4,
        "result": "failed",
        "reason": "source_too_large",
        "detail": "6 of 5",
        "permanent": permanent,
        "duration_seconds": 0.5,
    }


def test_an_unfinished_copy_that_is_handed_over_is_one_line_and_no_failure(lines):
    log_handed_over(failed(Unfinished(5, 10), attempts=2), Occasion("event", change()), 0.5, "4712")
    (line,) = lines()
    assert (line["severity"], line["message"]) == ("INFO", "handed over: s3://source/a/ü k")
    assert ours(line) == {
        **ABOUT_THE_EVENT,
        "door": "event",
        "source": "s3://source/a/ü k",
        "destination": "gs://replica/a/ü k",
        "rule": "default",
        "attempts": 2,
        "result": "handed_over",
        "reason": "unfinished",
        "copied": 5,
        "size": 10,
        "next_message_id": "4712",
        "duration_seconds": 0.5,
    }


def test_one_that_is_not_handed_over_is_a_failure_that_passes_and_says_how_far_it_got(lines):
    log_failure(failed(Unfinished(5, 10)), Occasion("direct"), 0.5)
    (line,) = lines()
    assert (line["severity"], line["result"], line["reason"]) == ("WARNING", "failed", "unfinished")
    assert (line["permanent"], line["copied"], line["size"]) == (False, 5, 10)


def test_a_request_that_came_to_nothing_is_one_line_of_the_door_it_knocked_at(lines):
    with request_scope("", ""):
        describe_request(door="POST /")
        log_error(Permanent(Reason.EVENT_MALFORMED, "not JSON"))
    (line,) = lines()
    del line["request_id"]
    assert ours(line) == {
        "door": "POST /",
        "result": "failed",
        "reason": "event_malformed",
        "detail": "not JSON",
        "permanent": True,
    }


def test_what_a_request_turned_out_to_be_is_said_in_place_of_its_path(lines):
    with request_scope("", ""):
        describe_request(door="POST /v1/replicate")
        log_outcome(OUTCOME, Occasion("event"), 0)
    (line,) = lines()
    assert line["door"] == "event"


def test_an_ignored_event_is_one_line(lines):
    log_ignored(IgnoredEvent("Object ACL Updated", Reason.EVENT_TYPE_IGNORED), Occasion("event"))
    (line,) = lines()
    assert ours(line) == {
        "door": "event",
        "event": "Object ACL Updated",
        "result": "ignored",
        "reason": "event_type_ignored",
    }


def test_a_published_event_is_one_line(lines):
    log_published("4711", {"bucket": "source", "kind": "Object Created", "event_id": "e-1"})
    (line,) = lines()
    assert ours(line) == {
        "result": "published",
        "message_id": "4711",
        "bucket": "source",
        "event": "Object Created",
        "event_id": "e-1",
    }


@pytest.mark.parametrize(
    ("level", "severities"),
    [
        ("DEBUG", ["INFO", "WARNING", "ERROR"]),
        ("INFO", ["INFO", "WARNING", "ERROR"]),
        ("WARNING", ["WARNING", "ERROR"]),
        ("ERROR", ["ERROR"]),
    ],
)
def test_the_level_is_the_least_severity_that_is_logged_and_all_is_recorded(lines, level, severities):
    lines.configure(level)
    recorded = []
    record_with(recorded.append)
    log_outcome(OUTCOME, Occasion("event"), 0)
    log_failure(failed(Transient(Reason.CONTENTION)), Occasion("event"), 0)
    log_failure(failed(Permanent(Reason.SOURCE_REFUSED)), Occasion("event"), 0)
    assert [line["severity"] for line in lines()] == severities
    assert [fields["result"] for fields in recorded] == ["created", "failed", "failed"]


def test_what_is_recorded_is_what_the_line_says(lines):
    recorded = []
    record_with(recorded.append)
    with request_scope("", ""):
        describe_request(door="POST /", message_id="4711")
        log_outcome(OUTCOME, Occasion("event", change()), 1)
        log_error(Permanent(Reason.EVENT_MALFORMED))
    assert recorded == [ours(line) for line in lines()]


# --- Lag --------------------------------------------------------------------------------------------------------------


def test_the_lag_is_the_time_since_the_event(lines):
    occasion = Occasion("event", change(datetime.now(UTC) - timedelta(seconds=90)))
    log_outcome(OUTCOME, occasion, 0)
    log_failure(failed(Transient(Reason.CONTENTION)), occasion, 0)
    assert all(90 <= line["lag_seconds"] < 150 for line in lines())


def test_the_lag_of_an_event_from_the_future_is_none_at_all_and_not_negative(lines):
    log_outcome(OUTCOME, Occasion("event", change(datetime.now(UTC) + timedelta(hours=1))), 0)
    (line,) = lines()
    assert line["lag_seconds"] == 0


@pytest.mark.parametrize("occasion", [Occasion("direct"), Occasion("event", change(None))])
def test_without_a_time_there_is_no_lag(lines, occasion):
    log_outcome(OUTCOME, occasion, 0)
    (line,) = lines()
    assert "lag_seconds" not in line


# --- What nobody foresaw ----------------------------------------------------------------------------------------------


def raise_unexpected():
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise ValueError(SECRET) from error


def unexpected() -> Transient:
    """As the engine makes it."""
    wrapper = Transient(Reason.UNEXPECTED)
    try:
        raise_unexpected()
    except ValueError as error:
        wrapper.__cause__ = error
    return wrapper


def test_an_unexpected_error_is_its_type_and_where_it_came_from_without_its_text(lines):
    log_unexpected(unexpected().__cause__)
    text = lines.text()
    line = json.loads(text)
    assert (line["severity"], line["message"], line["reason"]) == ("ERROR", "failed: unexpected", "unexpected")
    assert line["exception"] == "ValueError"
    assert any("test_outcomes.py" in frame and "raise_unexpected" in frame for frame in line["stack"])
    assert SECRET not in text


def test_an_object_that_met_one_says_which_object_and_rule_and_asks_for_a_person(lines):
    log_failure(failed(unexpected(), attempts=2), Occasion("event", change(datetime.now(UTC))), 1)
    text = lines.text()
    line = json.loads(text)
    assert line["severity"] == "ERROR"
    assert {*ABOUT_THE_EVENT, "rule", "destination", "attempts", "duration_seconds", "lag_seconds", "stack"} <= set(
        line
    )
    assert SECRET not in text


def test_of_an_error_behind_ours_only_the_type_is_said(lines):
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise Transient(Reason.SOURCE_UNAVAILABLE, "no answer") from error
    except Transient as error:
        log_failure(failed(error), Occasion("event"), 0)
    text = lines.text()
    assert json.loads(text)["exception"] == "ValueError"
    assert SECRET not in text
