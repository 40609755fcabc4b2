"""What each door answers: the one table from outcomes and reasons to HTTP statuses."""

import json
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response

from replicator.errors import ReplicationError, Transient
from replicator.model import Outcome, Result
from replicator.reasons import Reason
from replicator.telemetry import outcome_fields

RETRY_AFTER_SECONDS = 10

WRITTEN = frozenset({Result.CREATED, Result.UPDATED, Result.METADATA_UPDATED})

OUTCOMES_THAT_ARE_PROBLEMS = {
    Reason.BUCKET_NOT_IN_RULES: 403,
    Reason.SOURCE_NOT_FOUND: 404,
    Reason.DELETES_IGNORED: 404,
}
"""For a caller who asked for this object; to an event they are facts."""

ERROR_STATUSES = {
    Reason.REQUEST_MALFORMED: 400,
    Reason.EVENT_MALFORMED: 400,
    Reason.INGEST_SECRET_WRONG: 403,
    Reason.SOURCE_ACCESS_DENIED: 403,
    Reason.DESTINATION_ACCESS_DENIED: 403,
    Reason.ROUTE_UNKNOWN: 404,
    Reason.SOURCE_BUCKET_NOT_FOUND: 404,
    Reason.DESTINATION_BUCKET_NOT_FOUND: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.BODY_TOO_LARGE: 413,
    Reason.UNEXPECTED: 500,
}
"""Every other permanent error is 422 and every other transient one 503."""


def direct_answer(outcome: Outcome) -> Response:
    """For a caller who asked for this object."""
    fields = {name: value for name, value in outcome_fields(outcome).items() if value is not None}
    if status := OUTCOMES_THAT_ARE_PROBLEMS.get(outcome.reason):
        # What became of the replica is part of the answer all the same.
        return problem(status, outcome.reason, extra=fields)
    return json_answer(201 if outcome.result in WRITTEN else 200, fields)


def error_status(error: ReplicationError) -> int:
    """Every status but 2xx asks Pub/Sub to deliver the message again, until it is a dead letter."""
    return ERROR_STATUSES.get(error.reason, 503 if isinstance(error, Transient) else 422)


def error_answer(error: ReplicationError) -> Response:
    """For either door."""
    return problem(error_status(error), error.reason, error.detail)


def problem(status: int, reason: Reason, detail: str = "", extra: dict[str, Any] | None = None) -> Response:
    """An RFC 9457 problem; `reason` is the stable code."""
    document = {
        **(extra or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "reason": str(reason),
        "detail": f"{reason.explanation} ({detail})" if detail else reason.explanation,
    }
    response = json_answer(status, document)
    response.mimetype = "application/problem+json"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def json_answer(status: int, document: dict[str, Any]) -> Response:
    return Response(json.dumps(document, ensure_ascii=False) + "\n", status, mimetype="application/json")


def acknowledged() -> Response:
    """Tells Pub/Sub that the message is done with."""
    return Response(status=204)
