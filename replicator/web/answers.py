"""What each door answers: the one table from outcomes and reasons to HTTP statuses."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Response

from replicator.errors import ReplicationError
from replicator.model import Failure, Outcome, Result
from replicator.reasons import Reason
from replicator.telemetry import failure_fields, outcome_fields, progress_fields

RETRY_AFTER_SECONDS = 10
PROBLEM = "application/problem+json"

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
    Reason.TOKEN_MISSING: 401,
    Reason.TOKEN_INVALID: 401,
    Reason.TOKEN_EXPIRED: 401,
    Reason.CALLER_NOT_ALLOWED: 403,
    Reason.INGEST_SECRET_WRONG: 403,
    Reason.BUCKET_NOT_IN_RULES: 403,
    Reason.SOURCE_ACCESS_DENIED: 403,
    Reason.SOURCE_KMS_DENIED: 403,
    Reason.DESTINATION_ACCESS_DENIED: 403,
    Reason.ROUTE_UNKNOWN: 404,
    Reason.SOURCE_BUCKET_NOT_FOUND: 404,
    Reason.DESTINATION_NOT_FOUND: 404,
    Reason.DESTINATION_BUCKET_NOT_FOUND: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.DESTINATION_FOREIGN: 409,
    Reason.DESTINATION_MOVED: 412,
    Reason.BODY_TOO_LARGE: 413,
    Reason.SOURCE_ARCHIVED: 422,
    Reason.SOURCE_TOO_LARGE: 422,
    Reason.SOURCE_REFUSED: 422,
    Reason.DESTINATION_NAME_INVALID: 422,
    Reason.DESTINATION_CONFLICT: 422,
    Reason.DESTINATION_REFUSED: 422,
    Reason.UNEXPECTED: 500,
    Reason.SOURCE_UNAVAILABLE: 503,
    Reason.SOURCE_TRUNCATED: 503,
    Reason.SOURCE_CREDENTIALS_REJECTED: 503,
    Reason.DESTINATION_UNAVAILABLE: 503,
    Reason.CHECKSUM_MISMATCH: 503,
    Reason.CREDENTIALS_UNAVAILABLE: 503,
    Reason.CERTIFICATES_UNAVAILABLE: 503,
    Reason.CONTENTION: 503,
    Reason.OUT_OF_TIME: 503,
    Reason.OVER_BUDGET: 503,
    Reason.OVERLOADED: 503,
    Reason.STOPPING: 503,
    Reason.UNFINISHED: 503,
    Reason.PUBLISH_FAILED: 503,
}
"""Every reason of an error at a door; a test holds it complete. What may pass is 503, but for the unexpected."""

CHALLENGES = {
    Reason.TOKEN_MISSING: "Bearer",
    Reason.TOKEN_INVALID: 'Bearer error="invalid_token"',
    Reason.TOKEN_EXPIRED: 'Bearer error="invalid_token"',
}
"""What `WWW-Authenticate` says with a 401 (https://www.rfc-editor.org/rfc/rfc6750#section-3)."""

Document = Mapping[str, Any]


def direct_answer(results: Sequence[Outcome | Failure]) -> Response:
    """For a caller who asked for this object: the document of its one destination, or all of them together."""
    status, document = direct_document(results)
    response = json_answer(status, document)
    if status >= 400:
        response.mimetype = PROBLEM
    return response


def direct_document(results: Sequence[Outcome | Failure]) -> tuple[int, Document]:
    """Status and document of what one direct call came to. Of several destinations the worst decides the status."""
    documents = [_document(result) for result in results]
    if len(documents) == 1:
        return documents[0]
    status, worst = max(documents, key=lambda found: found[0])
    together = {"source": str(results[0].source), "outcomes": [document for _, document in documents]}
    if status < 400:
        return status, together
    return status, together | {name: worst[name] for name in ("type", "title", "status", "reason", "detail")}


def _document(result: Outcome | Failure) -> tuple[int, Document]:
    if isinstance(result, Failure):
        status = error_status(result.error)
        return status, problem_document(status, result.error.reason, result.error.detail, failure_fields(result))
    fields = outcome_fields(result)
    if status := OUTCOMES_THAT_ARE_PROBLEMS.get(result.reason, 0):
        # What became of the replica is part of the answer all the same.
        return status, problem_document(status, result.reason, extra=fields)
    return 201 if result.result in WRITTEN and not result.dry_run else 200, fields


def error_status(error: ReplicationError) -> int:
    """Every status but 2xx asks Pub/Sub to deliver the message again, until it is a dead letter."""
    return ERROR_STATUSES[error.reason]


def error_answer(error: ReplicationError) -> Response:
    """For either door."""
    response = problem(error_status(error), error.reason, error.detail, progress_fields(error))
    if error.reason in CHALLENGES:
        response.headers["WWW-Authenticate"] = CHALLENGES[error.reason]
    return response


def problem(status: int, reason: Reason, detail: str = "", extra: Document | None = None) -> Response:
    """An RFC 9457 problem."""
    response = json_answer(status, problem_document(status, reason, detail, extra))
    response.mimetype = PROBLEM
    return response


def problem_document(status: int, reason: Reason, detail: str = "", extra: Document | None = None) -> Document:
    """The members of an RFC 9457 problem; `reason` is the stable code."""
    return {
        **(extra or {}),
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "reason": str(reason),
        "detail": reason.explained(detail),
    }


def json_answer(status: int, document: Document) -> Response:
    """Whatever is unavailable says when to come back."""
    response = Response(json.dumps(document, ensure_ascii=False) + "\n", status, mimetype="application/json")
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response


def acknowledged() -> Response:
    """Tells Pub/Sub that the message is done with."""
    return Response(status=204)
