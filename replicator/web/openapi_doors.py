"""What each door of the two targets is for, takes and answers: the operations of the OpenAPI description."""

from typing import Any

from replicator.reasons import Reason
from replicator.rules import MAX_NAME_BYTES
from replicator.web import schemas
from replicator.web.answers import ERROR_STATUSES, OUTCOMES_THAT_ARE_PROBLEMS, problem_document
from replicator.web.assets import ASSETS
from replicator.web.gate import TURNED_AWAY
from replicator.web.openapi import Answer, Operation, Service
from replicator.web.openapi_auth import TOKEN_REASONS
from replicator.web.openapi_bodies import BATCH_BODY, DIRECT_BODY, EVENT, EVENT_BODY, PUBLISHED, PUBLISHED_BODY
from replicator.web.requests import MAX_GENERATION, SECRET_HEADER, BatchRequest, DirectRequest

UNFORESEEN = frozenset({Reason.UNEXPECTED})
BODY = UNFORESEEN | TURNED_AWAY | {Reason.BODY_TOO_LARGE}
REPLICATION = frozenset(ERROR_STATUSES) - {
    *(Reason.REQUEST_MALFORMED, Reason.EVENT_MALFORMED, Reason.BODY_TOO_LARGE, Reason.BUCKET_NOT_IN_RULES),
    *(Reason.ROUTE_UNKNOWN, Reason.METHOD_NOT_ALLOWED, Reason.INGEST_SECRET_WRONG, Reason.PUBLISH_FAILED),
    *TOKEN_REASONS,
    *(Reason.DESTINATION_NOT_FOUND, Reason.DESTINATION_FOREIGN, Reason.DESTINATION_MOVED, Reason.UNEXPECTED),
}
"""What may prevent one object from being replicated."""

FOLLOWING = REPLICATION | {Reason.EVENT_MALFORMED, Reason.PUBLISH_FAILED}
"""What may prevent an event from being followed."""

LOOKING = REPLICATION - {
    *(Reason.SOURCE_TOO_LARGE, Reason.SOURCE_TRUNCATED, Reason.CHECKSUM_MISMATCH),
    *(Reason.DESTINATION_CONFLICT, Reason.CONTENTION, Reason.OUT_OF_TIME),
    *(Reason.OVER_BUDGET, Reason.UNFINISHED),
}
"""What may prevent both sides from being looked at."""

OBJECT = UNFORESEEN | {
    *(Reason.REQUEST_MALFORMED, Reason.BUCKET_NOT_IN_RULES, Reason.DESTINATION_NOT_FOUND),
    *(reason for reason in LOOKING if not reason.startswith("source_")),
}
"""What may prevent a destination object from being looked at."""

STATUS = OBJECT | LOOKING
DELETION = OBJECT | {Reason.DESTINATION_FOREIGN, Reason.DESTINATION_MOVED}
NO_SUCH_PATH = frozenset({Reason.ROUTE_UNKNOWN})

_OPENAPI = Operation(
    "openapi", "service", "This description", "OpenAPI 3.1.", {200: Answer("This description.", schemas.OpenApi)}
)
_OBJECT = {"source": "s3://source-bucket/hello.txt", "destination": "gs://replica-bucket/hello.txt"}
_CREATED = {
    "result": "created",
    "reason": "destination_absent",
    "rule": "default",
    **_OBJECT,
    "generation": "1795233014345674",
    "bytes": 5,
    "path": "whole",
    "path_reason": "size",
    "checked": "MD5",
    "attempts": 1,
}
_UNCHANGED = {"result": "unchanged", "reason": "in_sync", "rule": "default", **_OBJECT, "bytes": 0, "attempts": 1}
_DELETED = {"result": "deleted", "reason": "deleted_on_request", **_OBJECT, "bytes": 0, "attempts": 1}
_BATCH = {"items": [_CREATED | {"status": 201}, problem_document(400, Reason.REQUEST_MALFORMED)]}
_IN_SYNC = {
    "destination": _OBJECT["destination"],
    "in_sync": True,
    "reason": "in_sync",
    "detail": Reason.IN_SYNC.explanation,
    "generation": "1795233014345674",
    "size": 5,
    "receipt": {
        "source": _OBJECT["source"],
        "etag": "8b1a9953c4611296a827abf8c47804d7",
        "version_id": None,
        "last_modified": "2026-01-01T00:00:00+00:00",
        "size": 5,
        "checked": "MD5",
    },
}
_KEPT = Answer("The caller has it already, as `If-None-Match` says.")
_DONE = Answer(
    "Everything the message asks for is done, needs nothing, or is handed over to a fresh message: it is acknowledged."
)
_HEALTH = Operation(
    "health",
    "service",
    "Whether the process is alive",
    "Touches nothing outside it.",
    {200: Answer("Alive.", schemas.Health)},
)


def _parameter(place: str, name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "required": True, "description": description, "schema": schema}


_NAME = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES, "examples": ["hello.txt"]}
_BY_PATH = (
    _parameter(
        "path",
        "bucket",
        "Destination bucket.",
        {"type": "string", "pattern": "^[^/]+$", "examples": ["replica-bucket"]},
    ),
    _parameter(
        "path",
        "key",
        "Name of the destination object, percent-encoded; slashes may stay. What a client or a proxy might change on "
        "the way, `.` and `..` above all, is safe in the query form.",
        _NAME,
    ),
)
_BY_QUERY = (
    _parameter(
        "query", "bucket", "Destination bucket.", {"type": "string", "minLength": 1, "examples": ["replica-bucket"]}
    ),
    _parameter("query", "key", "Name of the destination object.", _NAME),
)
_GENERATION = {
    "name": "generation",
    "in": "query",
    "description": "Only if the object is at this generation.",
    "schema": {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_GENERATION},
}


def _status(suffix: str, parameters: tuple[dict[str, Any], ...], errors: frozenset[Reason]) -> Operation:
    return Operation(
        f"getObject{suffix}",
        "objects",
        "Whether a destination object is in sync",
        "Compares its receipt with the source object that it names. Writes nothing.",
        {200: Answer("What the object is, and why it is in sync or not.", schemas.ObjectStatus, _IN_SYNC)},
        STATUS | errors,
        parameters,
    )


def _deletion(suffix: str, parameters: tuple[dict[str, Any], ...], errors: frozenset[Reason]) -> Operation:
    return Operation(
        f"deleteObject{suffix}",
        "objects",
        "Delete a replica",
        "Only an object with our receipt, and only as it was just seen, or at `generation`. If its source still exists "
        "the next event brings it back.",
        {200: Answer("It is deleted.", schemas.Outcome, _DELETED)},
        DELETION | errors,
        (*parameters, _GENERATION),
    )


REPLICATE = Service(
    "Replicator",
    "Replicates objects from Amazon S3 to Google Cloud Storage. Paths may end in a slash; whatever answers GET answers "
    "HEAD. Any other method is answered with 405 and `Allow`, any other path with 404, as problems too.",
    {
        ("POST", "/v1/replicate"): Operation(
            "replicate",
            "replication",
            "Make the destination of a source object equal to it",
            "The body decides: an event is answered as on `POST /`, anything else as a direct call. With several "
            "destinations the worst decides the status, and the answer holds each one's outcome. `dry_run` says what "
            "would happen. A copy that ran out of time is answered with `unfinished`, and the same call goes on with "
            "it.",
            {
                200: Answer("Nothing was to be done, or the replica was deleted.", schemas.Answered, _UNCHANGED),
                201: Answer("The destination was written.", schemas.Answered, _CREATED),
                204: _DONE,
            },
            BODY | FOLLOWING | {Reason.REQUEST_MALFORMED, *OUTCOMES_THAT_ARE_PROBLEMS},
            body=DIRECT_BODY,
        ),
        ("POST", "/v1/replicate:batch"): Operation(
            "replicateBatch",
            "replication",
            "The same for several objects",
            "Each item has its own status, and none hides another. They share one deadline.",
            {200: Answer("A result for each item, in their order.", schemas.BatchAnswer, _BATCH)},
            BODY | {Reason.REQUEST_MALFORMED},
            body=BATCH_BODY,
        ),
        ("GET", "/v1/object/<bucket>/<key:key>"): _status("ByPath", _BY_PATH, NO_SUCH_PATH),
        ("DELETE", "/v1/object/<bucket>/<key:key>"): _deletion("ByPath", _BY_PATH, NO_SUCH_PATH),
        ("GET", "/v1/object"): _status("", _BY_QUERY, frozenset()),
        ("DELETE", "/v1/object"): _deletion("", _BY_QUERY, frozenset()),
        ("POST", "/"): Operation(
            "event",
            "replication",
            "Follow a message from Pub/Sub push or Eventarc",
            "204 acknowledges it; anything else asks for all of it again. What is done already is then left alone. "
            "A copy that got ahead but ran out of time goes on with a fresh message, where there is a topic for it.",
            {204: _DONE},
            BODY | FOLLOWING,
            body=EVENT_BODY,
        ),
        ("GET", "/health"): _HEALTH,
        ("GET", "/ready"): Operation(
            "ready",
            "service",
            "Whether each bucket of the rules can be used",
            "Asks both sides, at most once in some seconds; in between the answer is the last one.",
            {200: Answer("All can.", schemas.Readiness), 503: Answer("Some cannot.", schemas.Readiness)},
            UNFORESEEN | TURNED_AWAY | {Reason.CREDENTIALS_UNAVAILABLE, Reason.OUT_OF_TIME},
        ),
        ("GET", "/"): Operation(
            "root",
            "service",
            "What this is",
            "And where it is described.",
            {200: Answer("This service.", schemas.Root)},
        ),
        ("GET", "/openapi.json"): _OPENAPI,
        ("GET", "/docs"): Operation(
            "docs",
            "service",
            "This description, to read and try out",
            "A page that loads nothing from elsewhere.",
            {200: Answer("The page.", media_types=["text/html"]), 304: _KEPT},
        ),
        ("GET", "/docs/<asset>"): Operation(
            "docsAsset",
            "service",
            "A file of that page",
            "Scripts, style and icon.",
            {
                200: Answer("The file.", media_types=sorted({asset.media_type for asset in ASSETS.values()})),
                304: _KEPT,
            },
            NO_SUCH_PATH,
            [_parameter("path", "asset", "Its name.", {"type": "string", "enum": sorted(ASSETS)})],
        ),
    },
    (DirectRequest, BatchRequest),
    {"Event": EVENT},
)

INGEST = Service(
    "Replicator: ingest",
    "Takes S3's events from EventBridge's API destination and publishes them to Pub/Sub.",
    {
        ("POST", "/v1/events"): Operation(
            "publishEvents",
            "replication",
            "Make an event durable",
            "What it means is for the subscriber to find out.",
            {204: Answer("Pub/Sub has it.")},
            BODY | {Reason.EVENT_MALFORMED, Reason.INGEST_SECRET_WRONG, Reason.PUBLISH_FAILED},
            body=PUBLISHED_BODY,
            security="ingestSecret",
        ),
        ("GET", "/health"): _HEALTH,
        ("GET", "/openapi.json"): _OPENAPI,
    },
    schemas={"Published": PUBLISHED},
    security={"ingestSecret": {"type": "apiKey", "in": "header", "name": SECRET_HEADER}},
)
