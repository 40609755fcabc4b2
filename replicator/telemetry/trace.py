"""The trace that a request belongs to, read strictly: what is malformed counts as not given, and is never repeated."""

import re
from dataclasses import dataclass

# https://www.w3.org/TR/trace-context/#traceparent-header: version 00 ends with the flags, a later one may go on
_TRACEPARENT = re.compile(
    r"(?P<version>(?!ff)[0-9a-f]{2})-(?P<trace>(?!0{32})[0-9a-f]{32})-(?P<span>(?!0{16})[0-9a-f]{16})"
    r"-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
# https://cloud.google.com/trace/docs/trace-context#legacy-http-header: the span is a decimal number
_CLOUD_TRACE = re.compile(r"(?P<trace>(?!0{32})[0-9a-fA-F]{32})(?:/(?P<span>[0-9]{1,20}))?(?:;o=(?P<options>[0-9]))?")


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace and the caller's span in it, in lower-case hexadecimal; `sampled` is whether the caller keeps it."""

    trace_id: str
    span_id: str | None = None
    sampled: bool = False


def read_trace(traceparent: str | None, cloud_trace_context: str | None) -> Trace | None:
    """What `traceparent` says or, failing that, `X-Cloud-Trace-Context`."""
    return _read_traceparent(traceparent or "") or _read_cloud_trace(cloud_trace_context or "")


def _read_traceparent(header: str) -> Trace | None:
    match = _TRACEPARENT.fullmatch(header)
    if match is None or (match["version"] == "00" and match["more"]):
        return None
    return Trace(match["trace"], match["span"], bool(int(match["flags"], 16) & 1))


def _read_cloud_trace(header: str) -> Trace | None:
    match = _CLOUD_TRACE.fullmatch(header)
    if match is None:
        return None
    span = int(match["span"] or 0)
    return Trace(
        match["trace"].lower(), f"{span:016x}" if 0 < span < 2**64 else None, int(match["options"] or 0) & 1 == 1
    )
