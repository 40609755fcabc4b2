"""The lines we log: one for each outcome, with documented fields, and with nothing in them that came with a request."""

import json
import logging
from contextlib import redirect_stdout
from datetime import UTC, datetime, timedelta
from io import StringIO

import flask
import pytest

from replicator.errors import Permanent, Transient
from replicator.model import Change, DestinationName, IgnoredEvent, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.telemetry import (
    Occasion,
    configure,
    log_failure,
    log_ignored,
    log_outcome,
    log_published,
    log_unexpected,
    outcome_fields,
)

KEY = SourceKey("source", "a/ü k")
OUTCOME = Outcome(
    Result.CREATED,
    Reason.DESTINATION_ABSENT,
    KEY,
    DestinationName("replica", "a/ü k"),
    rule="default",
    generation=1_700_000_000_000_000,
    copied_bytes=5,
    path="whole",
    checked="MD5",
    attempts=2,
)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLOUD_LOGGING = {
    "severity",
    "message",
    "httpRequest",
    "logging.googleapis.com/labels",
    "logging.googleapis.com/trace_sampled",
} | {f"logging.googleapis.com/{name}" for name in ("trace", "spanId", "sourceLocation")}


def change(occurred_at: datetime | None = None) -> Change:
    return Change(KEY, "Object Created", occurred_at, event_id="e-1", version_id="v1", sequencer="0055")


@pytest.fixture(autouse=True)
def _logging_stays_as_it_was():
    root, ours = logging.getLogger(), logging.getLogger("replicator")
    handlers, levels = root.handlers, (root.level, ours.level)
    yield
    root.handlers = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


class Lines:
    """What was logged since the last look, as Cloud Logging reads it: each line is a JSON object."""

    def __init__(self) -> None:
        self._stream = StringIO()
        self.configure("INFO")

    def configure(self, level: str) -> None:
        with redirect_stdout(self._stream):
            configure(level, "a-project")

    def __call__(self) -> list[dict]:
        printed = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        assert printed.endswith("\n") or not printed
        return [json.loads(line) for line in printed.split("\n")[:-1]]


@pytest.fixture
def lines():
    return Lines()


def ours(line: dict) -> dict:
    return {name: value for name, value in line.items() if name not in CLOUD_LOGGING}


# --- Lines and fields -------------------------------------------------------------------------------------------------


def test_an_outcome_is_one_line_with_all_there_is_to_know(lines):
    log_outcome(OUTCOME, Occasion("event", change(), delivery_attempt=3), 1.23456)
    (line,) = lines()
    assert (line["severity"], line["message"]) == ("INFO", "created: s3://source/a/ü k")
    assert ours(line) == {
        "door": "event",
        "event": "Object Created",
        "event_id": "e-1",
        "version_id": "v1",
        "sequencer": "0055",
        "delivery_attempt": 3,
        "result": "created",
        "reason": "destination_absent",
        "rule": "default",
        "source": "s3://source/a/ü k",
        "destination": "gs://replica/a/ü k",
        "generation": "1700000000000000",
        "bytes": 5,
        "path": "whole",
        "checked": "MD5",
        "attempts": 2,
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


def test_fields_that_logs_and_answers_share_are_named_alike():
    assert set(outcome_fields(OUTCOME)) == {
        "result",
        "reason",
        "rule",
        "source",
        "destination",
        "generation",
        "bytes",
        "path",
        "checked",
        "attempts",
    }


@pytest.mark.parametrize(("kind", "severity", "permanent"), [(Permanent, "ERROR", True), (Transient, "WARNING", False)])
def test_a_failure_is_one_line_and_a_permanent_one_asks_for_a_person(lines, kind, severity, permanent):
    log_failure(kind(Reason.SOURCE_TOO_LARGE, "6 of 5"), KEY, Occasion("event", change()), 0.5)
    (line,) = lines()
    assert (line["severity"], line["message"]) == (severity, "failed: source_too_large")
    assert ours(line) == {
        "door": "event",
        "event": "Object Created",
        "event_id": "e-1",
        "version_id": "v1",
        "sequencer": "0055",
        "source": "s3://source/a/ü k",
        "result": "failed",
        "reason": "source_too_large",
        "detail": "6 of 5",
        "permanent": permanent,
        "duration_seconds": 0.5,
    }


def test_an_ignored_event_is_one_line(lines):
    log_ignored(IgnoredEvent("Object ACL Updated", Reason.EVENT_TYPE_IGNORED), Occasion("event", delivery_attempt=1))
    (line,) = lines()
    assert ours(line) == {
        "door": "event",
        "event": "Object ACL Updated",
        "result": "ignored",
        "reason": "event_type_ignored",
        "delivery_attempt": 1,
    }


def test_a_published_event_is_one_line(lines):
    log_published("4711", {"bucket": "source", "kind": "Object Created", "event_id": "e-1"})
    (line,) = lines()
    assert ours(line) == {
        "result": "published",
        "message_id": "4711",
        "bucket": "source",
        "kind": "Object Created",
        "event_id": "e-1",
    }


@pytest.mark.parametrize("text", ["a\nb", '"', "\\", "{", "\u2028", "\x00", "%s %d", "🚀", "{}"])
def test_a_name_cannot_break_or_forge_a_line(lines, text):
    key = SourceKey("source", text)
    log_outcome(Outcome(Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, key), Occasion("direct"), 0)
    (line,) = lines()
    assert (line["source"], line["message"]) == (f"s3://source/{text}", f"ignored: s3://source/{text}")


# --- Lag --------------------------------------------------------------------------------------------------------------


def test_the_lag_is_the_time_since_the_event(lines):
    log_outcome(OUTCOME, Occasion("event", change(datetime.now(UTC) - timedelta(seconds=90))), 0)
    (line,) = lines()
    assert 90 <= line["lag_seconds"] < 150


def test_the_lag_of_an_event_from_the_future_is_none_at_all_and_not_negative(lines):
    log_outcome(OUTCOME, Occasion("event", change(datetime.now(UTC) + timedelta(hours=1))), 0)
    (line,) = lines()
    assert line["lag_seconds"] == 0


@pytest.mark.parametrize("occasion", [Occasion("direct"), Occasion("event", change(None))])
def test_without_a_time_there_is_no_lag(lines, occasion):
    log_outcome(OUTCOME, occasion, 0)
    (line,) = lines()
    assert "lag_seconds" not in line


# --- The request ------------------------------------------------------------------------------------------------------


@pytest.fixture
def app():
    return flask.Flask("test")


@pytest.mark.parametrize(
    ("header", "value", "span"),
    [
        ("traceparent", f"00-{TRACE}-00f067aa0ba902b7-01", "00f067aa0ba902b7"),
        ("X-Cloud-Trace-Context", f"{TRACE}/67667974448284343;o=1", "00f067aa0ba902b7"),
        ("X-Cloud-Trace-Context", TRACE, ""),
    ],
)
def test_a_line_belongs_to_the_trace_of_its_request(lines, app, header, value, span):
    with app.test_request_context("/", headers={header: value}):
        log_outcome(OUTCOME, Occasion("event"), 0)
    (line,) = lines()
    assert line["logging.googleapis.com/trace"] == f"projects/a-project/traces/{TRACE}"
    assert line["logging.googleapis.com/spanId"] == span


def test_without_a_request_there_is_no_trace(lines):
    log_outcome(OUTCOME, Occasion("event"), 0)
    (line,) = lines()
    assert not line.get("logging.googleapis.com/trace")


SECRET = "do-not-show-this"


def test_nothing_of_the_request_but_its_trace_is_in_a_line(lines, app):
    headers = {
        "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
        "Authorization": f"Bearer {SECRET}",
        "X-Ingest-Secret": SECRET,
        "User-Agent": f"agent-{SECRET}",
        "Referer": f"https://{SECRET}/",
        "X-Forwarded-For": SECRET,
        "Cookie": SECRET,
    }
    with app.test_request_context(f"/v1/replicate?token={SECRET}", method="POST", headers=headers, data=SECRET):
        log_outcome(OUTCOME, Occasion("event", change()), 0)
        log_failure(Transient(Reason.CONTENTION), KEY, Occasion("event"), 0)
        log_ignored(IgnoredEvent("s3:TestEvent", Reason.TEST_EVENT), Occasion("event"))
        log_published("4711", {})
        log_unexpected(ValueError("x"))
    found = lines()
    assert len(found) == 5
    assert SECRET not in json.dumps(found)
    assert [line["httpRequest"] for line in found] == [{}] * 5
    assert "localhost" not in json.dumps(found)


# --- What goes wrong --------------------------------------------------------------------------------------------------


def raise_unexpected():
    try:
        raise KeyError(SECRET)
    except KeyError as error:
        raise ValueError(SECRET) from error


def test_an_unexpected_error_is_its_kind_and_where_it_came_from_without_its_text(lines):
    try:
        raise_unexpected()
    except ValueError as error:
        log_unexpected(error)
    (line,) = lines()
    assert (line["severity"], line["message"], line["reason"]) == ("ERROR", "failed: unexpected", "unexpected")
    assert line["kind"] == "ValueError"
    assert any("test_telemetry.py" in frame and "raise_unexpected" in frame for frame in line["stack"])
    assert SECRET not in json.dumps(line)


def test_another_errors_text_does_not_come_along_with_ours(lines):
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as error:
            raise Transient(Reason.SOURCE_UNAVAILABLE, "ValueError") from error
    except Transient as error:
        log_failure(error, KEY, Occasion("event"), 0)
    assert SECRET not in json.dumps(lines())


# --- Levels -----------------------------------------------------------------------------------------------------------

LIBRARIES = ["botocore", "boto3", "urllib3", "google.auth", "google.cloud.pubsub_v1", "requests", "s3"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_our_level_does_not_make_libraries_talk(lines, level, library):
    lines.configure(level)
    logger = logging.getLogger(library)
    logger.debug("Authorization: %s", SECRET)
    logger.info("Authorization: %s", SECRET)
    assert lines() == []


def test_a_library_that_warns_is_heard(lines):
    logging.getLogger("botocore").warning("heard")
    assert [(line["severity"], line["message"]) for line in lines()] == [("WARNING", "heard")]


def test_a_library_s_warning_shows_neither_a_session_uri_nor_the_text_of_an_error(lines):
    logging.getLogger("urllib3.connectionpool").warning("Failed to parse headers (url=%s)", SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("botocore").warning("heard", exc_info=True)
    assert [line["message"] for line in lines()] == ["heard"]
    assert SECRET not in json.dumps(lines())


@pytest.mark.parametrize(
    ("level", "severities"),
    [
        ("DEBUG", ["INFO", "WARNING", "ERROR"]),
        ("INFO", ["INFO", "WARNING", "ERROR"]),
        ("WARNING", ["WARNING", "ERROR"]),
        ("ERROR", ["ERROR"]),
    ],
)
def test_the_level_is_the_least_severity_that_is_logged(lines, level, severities):
    lines.configure(level)
    log_outcome(OUTCOME, Occasion("event"), 0)
    log_failure(Transient(Reason.CONTENTION), KEY, Occasion("event"), 0)
    log_failure(Permanent(Reason.SOURCE_REFUSED), KEY, Occasion("event"), 0)
    assert [line["severity"] for line in lines()] == severities


def test_configuring_twice_does_not_log_twice(lines):
    lines.configure("INFO")
    log_published("4711", {})
    assert len(lines()) == 1
