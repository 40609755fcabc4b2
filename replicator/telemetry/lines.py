"""Lines as Cloud Logging reads them from standard output: one JSON object each.

https://cloud.google.com/logging/docs/structured-logging names the special fields.
"""

import json
import logging
import sys
from time import monotonic
from typing import Any

from replicator.telemetry.scope import current_scope

logger = logging.getLogger("replicator")

QUIET_SECONDS = 60
"""A library is heard once in so many seconds: what it would add to its first line is kept out anyway."""

CLOUD_LOGGING = "logging.googleapis.com/"


def configure(level: str, project: str | None) -> None:
    """Sends our lines to standard output, from `level` on, and those of libraries from WARNING on.

    `project` is the Google Cloud project that traces belong to.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(CloudLoggingFormatter(project))
    handler.addFilter(_Sparing())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    # google.api_core cuts this logger off from the root, unless it finds it configured.
    google = logging.getLogger("google")
    google.setLevel(logging.WARNING)
    google.propagate = True
    logger.setLevel(level)


class CloudLoggingFormatter(logging.Formatter):
    """Our lines with their fields. Of a library's line only who, where and how severe: never its text, nor an error's.

    Libraries quote URLs, headers and bodies at any level, and an upload session's URI is a secret.
    """

    def __init__(self, project: str | None) -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        about = _own(record) if _is_ours(record) else _of_a_library(record)
        # ASCII, because a key may hold what standard output's encoding cannot
        return json.dumps({"severity": record.levelname, **self._request(), **about})

    def _request(self) -> dict[str, Any]:
        scope = current_scope()
        if scope.trace is None:
            return dict(scope.fields)
        trace, project = scope.trace, self._project
        name = f"{CLOUD_LOGGING}trace" if project else "trace_id"
        span = {f"{CLOUD_LOGGING}spanId": trace.span_id} if trace.span_id else {}
        return {
            name: f"projects/{project}/traces/{trace.trace_id}" if project else trace.trace_id,
            **span,
            f"{CLOUD_LOGGING}trace_sampled": trace.sampled,
            **scope.fields,
        }


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


def _own(record: logging.LogRecord) -> dict[str, Any]:
    return {"message": record.getMessage(), **getattr(record, "json_fields", {})}


def _of_a_library(record: logging.LogRecord) -> dict[str, Any]:
    error = record.exc_info[0] if record.exc_info else None
    place = {"file": record.pathname, "line": str(record.lineno), "function": record.funcName}
    return {
        "message": f"{record.name}: {record.levelname.lower()}",
        **({"exception": error.__name__} if error else {}),
        f"{CLOUD_LOGGING}sourceLocation": place,
    }
