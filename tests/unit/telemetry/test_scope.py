"""What is known of a request is in each of its lines, whichever thread logs it."""

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import pytest

from replicator.errors import Transient
from replicator.reasons import Reason
from replicator.telemetry import describe_request, log_error, request_scope

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


def log() -> None:
    log_error(Transient(Reason.CONTENTION))


def test_a_line_belongs_to_the_trace_of_its_request(lines):
    with request_scope(TRACEPARENT, None):
        log()
    (line,) = lines()
    assert line["logging.googleapis.com/trace"] == f"projects/a-project/traces/{TRACE}"
    assert line["logging.googleapis.com/spanId"] == SPAN
    assert line["logging.googleapis.com/trace_sampled"] is True
    assert "request_id" not in line


def test_without_a_project_the_trace_s_name_cannot_be_told_and_its_id_is_a_field(lines):
    lines.configure("INFO", project=None)
    with request_scope(TRACEPARENT, None):
        log()
    (line,) = lines()
    assert line["trace_id"] == TRACE
    assert "logging.googleapis.com/trace" not in line


def test_without_a_trace_the_lines_of_a_request_share_an_id_of_their_own(lines):
    for _ in range(2):
        with request_scope("malformed", None):
            log()
            log()
    first, second, other, _ = (line["request_id"] for line in lines())
    assert first == second != other


def test_what_becomes_known_is_in_the_lines_that_follow(lines):
    with request_scope(TRACEPARENT, None):
        log()
        describe_request(door="POST /", message_id=None)
        describe_request(message_id="4711", delivery_attempt=2)
        log()
    before, after = lines()
    assert "door" not in before
    assert (after["door"], after["message_id"], after["delivery_attempt"]) == ("POST /", "4711", 2)


def test_a_thread_that_works_for_a_request_logs_for_it(lines):
    with request_scope(TRACEPARENT, None), ThreadPoolExecutor(1) as pool:
        describe_request(message_id="4711")
        pool.submit(copy_context().run, log).result()
    (line,) = lines()
    assert (line["message_id"], line["logging.googleapis.com/spanId"]) == ("4711", SPAN)


def test_after_a_request_nothing_is_left_of_it(lines):
    def fail() -> None:
        with request_scope(TRACEPARENT, None):
            describe_request(message_id="4711")
            raise ValueError("x")

    with pytest.raises(ValueError, match="x"):
        fail()
    log()
    (line,) = lines()
    assert not {"message_id", "request_id", "logging.googleapis.com/trace"} & set(line)
