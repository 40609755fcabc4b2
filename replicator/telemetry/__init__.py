"""What the service says of itself: one structured line for each outcome, the request it belongs to, and metrics.

A line and the metrics are made of the same fields, so they cannot disagree. What came with a request, an SDK's text and
an error's text stay out of both (docs/observability.md, docs/decisions/011-what-a-line-may-say.md).
"""

from replicator.telemetry.fields import failure_fields, outcome_fields, progress_fields
from replicator.telemetry.lines import configure
from replicator.telemetry.outcomes import (
    Occasion,
    log_error,
    log_failure,
    log_handed_over,
    log_ignored,
    log_outcome,
    log_published,
    log_unexpected,
    record_with,
)
from replicator.telemetry.scope import describe_request, request_scope

__all__ = [
    "Occasion",
    "configure",
    "describe_request",
    "failure_fields",
    "log_error",
    "log_failure",
    "log_handed_over",
    "log_ignored",
    "log_outcome",
    "log_published",
    "log_unexpected",
    "outcome_fields",
    "progress_fields",
    "record_with",
    "request_scope",
]
