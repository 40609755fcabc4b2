"""The one table from outcomes and reasons to HTTP statuses."""

import json

import pytest

from replicator.errors import Permanent, Transient, Unfinished
from replicator.model import DestinationName, Failure, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.web.answers import acknowledged, direct_answer, error_answer, error_status, problem

KEY = SourceKey("source", "ü k")
NAME = DestinationName("replica", "ü k")

OUTCOMES = [
    (Result.CREATED, Reason.DESTINATION_ABSENT, 201),
    (Result.UPDATED, Reason.SOURCE_CHANGED, 201),
    (Result.UPDATED, Reason.FOREIGN_OVERWRITTEN, 201),
    (Result.METADATA_UPDATED, Reason.METADATA_CHANGED, 201),
    (Result.METADATA_UPDATED, Reason.ADOPTED, 201),
    (Result.UNCHANGED, Reason.IN_SYNC, 200),
    (Result.KEPT, Reason.FOREIGN_KEPT, 200),
    (Result.DELETED, Reason.SOURCE_DELETED, 200),
    (Result.IGNORED, Reason.NO_RULE_MATCHES, 200),
    (Result.IGNORED, Reason.RULE_DISABLED, 200),
    (Result.IGNORED, Reason.RULE_SUPERSEDED, 200),
    (Result.IGNORED, Reason.FILTERED_BY_PREFIX, 200),
    (Result.IGNORED, Reason.FILTERED_BY_SUFFIX, 200),
    (Result.IGNORED, Reason.FILTERED_BY_GLOB, 200),
    (Result.IGNORED, Reason.FILTERED_BY_SIZE, 200),
    (Result.IGNORED, Reason.FILTERED_BY_TAGS, 200),
    (Result.DELETED, Reason.DELETED_ON_REQUEST, 200),
    (Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, 403),
    (Result.UNCHANGED, Reason.SOURCE_NOT_FOUND, 404),
    (Result.KEPT, Reason.SOURCE_NOT_FOUND, 404),
    (Result.KEPT, Reason.DELETES_IGNORED, 404),
]

PERMANENT = {
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
}
TRANSIENT = {
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
    Reason.UNEXPECTED: 500,
}
ERRORS = [
    *((Permanent(reason), status) for reason, status in PERMANENT.items()),
    *((Transient(reason), status) for reason, status in TRANSIENT.items()),
]


@pytest.mark.parametrize(("result", "reason", "status"), OUTCOMES)
def test_an_outcome_has_its_status(result, reason, status):
    answer = direct_answer([Outcome(result, reason, KEY, NAME, rule="default")])
    document = json.loads(answer.get_data())
    assert answer.status_code == status
    assert (document["result"], document["reason"], document["source"]) == (result, reason, "s3://source/ü k")
    assert answer.mimetype == ("application/json" if status < 400 else "application/problem+json")


def test_an_outcome_is_answered_with_all_there_is_to_know():
    outcome = Outcome(Result.CREATED, Reason.DESTINATION_ABSENT, KEY, NAME, "default", 17, 5, "whole", "size", "MD5", 2)
    assert json.loads(direct_answer([outcome]).get_data()) == {
        "result": "created",
        "reason": "destination_absent",
        "rule": "default",
        "source": "s3://source/ü k",
        "destination": "gs://replica/ü k",
        "generation": "17",
        "bytes": 5,
        "path": "whole",
        "path_reason": "size",
        "checked": "MD5",
        "attempts": 2,
    }


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=str)
def test_an_error_has_its_status_and_is_a_problem(error, status):
    answer = error_answer(error)
    assert (answer.status_code, error_status(error)) == (status, status)
    assert answer.mimetype == "application/problem+json"
    document = json.loads(answer.get_data())
    assert document == {
        "type": "about:blank",
        "title": document["title"],
        "status": status,
        "reason": error.reason,
        "detail": error.reason.explanation,
    }
    assert document["title"]


@pytest.mark.parametrize("answer", [error_answer, lambda error: direct_answer([Failure(error, KEY, NAME)])])
def test_an_unfinished_copy_says_how_far_it_got_and_when_to_come_back(answer):
    response = answer(Unfinished(5, 10))
    document = json.loads(response.get_data())
    assert (response.status_code, response.mimetype) == (503, "application/problem+json")
    assert (document["reason"], document["copied"], document["size"]) == ("unfinished", 5, 10)
    assert int(response.headers["Retry-After"]) > 0


def test_the_table_covers_every_reason():
    outcomes = {reason for _, reason, _ in OUTCOMES}
    events_only = {Reason.EVENT_TYPE_IGNORED, Reason.TEST_EVENT}
    of_no_door = {reason for reason in Reason if reason.startswith(("subscription_", "topic_"))}
    assert set(Reason) - of_no_door == outcomes | events_only | set(PERMANENT) | set(TRANSIENT)


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=str)
def test_only_a_401_says_what_is_wanted_and_whether_it_was_there(error, status):
    """RFC 6750, section 3."""
    wanted = {Reason.TOKEN_MISSING: "Bearer"}.get(error.reason, 'Bearer error="invalid_token"')
    assert error_answer(error).headers.get("WWW-Authenticate") == (wanted if status == 401 else None)


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=str)
def test_only_an_error_that_passes_says_when_to_come_back(error, status):
    retry_after = error_answer(error).headers.get("Retry-After")
    assert (retry_after is not None) == (status == 503)
    assert retry_after is None or int(retry_after) > 0


def test_detail_is_added_to_the_explanation():
    document = json.loads(problem(422, Reason.SOURCE_TOO_LARGE, "6 of 5").get_data())
    assert document["detail"] == "The source object exceeds Cloud Storage's 5 TiB. (6 of 5)"


def test_an_acknowledgement_has_no_body():
    assert (acknowledged().status_code, acknowledged().get_data()) == (204, b"")
