"""Trace headers are read strictly: what is malformed is not given."""

import pytest

from replicator.telemetry.trace import Trace, read_trace

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"00-{TRACE}-{SPAN}-01", Trace(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-00", Trace(TRACE, SPAN, False)),
        (f"00-{TRACE}-{SPAN}-03", Trace(TRACE, SPAN, True)),
        (f"00-{TRACE}-{SPAN}-02", Trace(TRACE, SPAN, False)),
        (f"cc-{TRACE}-{SPAN}-01", Trace(TRACE, SPAN, True)),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", Trace(TRACE, SPAN, True)),
    ],
)
def test_a_traceparent_names_trace_and_span(header, trace):
    assert read_trace(header, None) == trace


@pytest.mark.parametrize(
    "header",
    [
        "",
        "secret",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f" 00-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01",
    ],
)
def test_a_malformed_traceparent_is_none(header):
    assert read_trace(header, None) is None


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (f"{TRACE}/67667974448284343;o=1", Trace(TRACE, SPAN, True)),
        (f"{TRACE}/67667974448284343;o=0", Trace(TRACE, SPAN, False)),
        (f"{TRACE}/67667974448284343", Trace(TRACE, SPAN, False)),
        (f"{TRACE.upper()};o=1", Trace(TRACE, None, True)),
        (TRACE, Trace(TRACE)),
        (f"{TRACE}/0", Trace(TRACE)),
        (f"{TRACE}/{2**64}", Trace(TRACE)),
        (f"{TRACE}/{2**64 - 1}", Trace(TRACE, "f" * 16)),
    ],
)
def test_cloud_run_s_own_header_names_a_trace(header, trace):
    assert read_trace(None, header) == trace


@pytest.mark.parametrize(
    "header", ["", "secret", "0" * 32, TRACE[1:], f"{TRACE}/x", f"{TRACE}/1;o=x", f"{TRACE}/1;o=1;secret", f"{TRACE}\n"]
)
def test_a_malformed_one_is_none(header):
    assert read_trace(None, header) is None


def test_the_standard_s_header_wins_and_a_malformed_one_does_not_hide_the_other():
    assert read_trace(f"00-{TRACE}-{SPAN}-01", "a" * 32) == Trace(TRACE, SPAN, True)
    assert read_trace("secret", TRACE) == Trace(TRACE)
