"""Lines as Cloud Logging reads them from standard output: one JSON object each.

https://cloud.google.com/logging/docs/structured-logging names the special fields.
"""

import logging
import sys
from copy import copy
from time import monotonic

from google.cloud.logging_v2.handlers import StructuredLogHandler

from replicator.telemetry.scope import current_scope

logger = logging.getLogger("replicator")

QUIET_SECONDS = 60
"""A library is heard once in so many seconds: what it would add to its first line is kept out anyway."""


def configure(level: str, project: str | None) -> None:
    """Sends our lines to standard output, from `level` on, and those of libraries from WARNING on.

    `project` is the Google Cloud project that traces belong to.
    """
    handler = CloudLoggingHandler(project)
    handler.addFilter(_Sparing())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # google.api_core cuts this logger off from the root, unless it finds it configured.
    google = logging.getLogger("google")
    google.setLevel(logging.WARNING)
    google.propagate = True
    logger.setLevel(level)


class CloudLoggingHandler(StructuredLogHandler):
    """Google's handler, told what it may say: nothing of the request but what our scope holds.

    Left to itself it takes URL and trace from Flask's request, which threads of ours do not have, and repeats whatever
    the trace header holds. Of a library's line only who, where and how severe is said: never its text, nor an error's.
    Libraries quote URLs, headers and bodies at any level, and an upload session's URI is a secret.
    """

    def __init__(self, project: str | None) -> None:
        super().__init__(stream=sys.stdout, project_id=project)  # type: ignore[no-untyped-call]
        self._project = project

    def handle(self, record: logging.LogRecord) -> bool:
        return bool(super().handle(self._told(copy(record))))

    def format(self, record: logging.LogRecord) -> str:
        """A lone surrogate, which no output can encode, becomes JSON's escape of it."""
        return str(super().format(record)).encode(errors="backslashreplace").decode()  # type: ignore[no-untyped-call]

    def emit_instrumentation_info(self) -> None:
        """The library's line about its own version."""

    def _told(self, record: logging.LogRecord) -> logging.LogRecord:
        if _is_ours(record):
            record.source_location = {}  # it is always the one function that logs
        else:
            _leave_out_texts(record)
        scope = current_scope()
        known = dict(scope.fields)
        trace = scope.trace
        if trace and not self._project:
            known["trace_id"] = trace.trace_id
        # Empty, and not absent: else the handler looks for them itself.
        record.trace = f"projects/{self._project}/traces/{trace.trace_id}" if trace and self._project else ""
        record.span_id = (trace.span_id or "") if trace else ""
        record.trace_sampled = trace.sampled if trace else False
        record.http_request = {}
        record.json_fields = {**known, **getattr(record, "json_fields", {})}
        return record


class _Sparing(logging.Filter):
    """Lets every line of ours pass, and of each library's logger one in `QUIET_SECONDS`."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if _is_ours(record):
            return True
        logger_and_level, now = (record.name, record.levelno), monotonic()
        if now - self._heard.get(logger_and_level, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        self._heard[logger_and_level] = now
        return True


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == logger.name or record.name.startswith(f"{logger.name}.")


def _leave_out_texts(record: logging.LogRecord) -> None:
    error = record.exc_info[0] if record.exc_info else None
    record.msg, record.args = f"{record.name}: {record.levelname.lower()}", ()
    record.exc_info = record.exc_text = record.stack_info = None
    record.labels = {}
    record.json_fields = {"exception": error.__name__} if error else {}
