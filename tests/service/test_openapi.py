"""The service answers its own description: schemathesis asks what that allows, and what it does not.

Everything is drawn deterministically. Answers of the service itself are checked against the description in each call.
"""

import zlib

import pytest
import requests
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from replicator.events import looks_like_event
from replicator.web.ingest import IngestDoors
from replicator.web.openapi import describe
from replicator.web.openapi_doors import INGEST, REPLICATE
from replicator.web.requests import SECRET_HEADER
from tests.servers import listening
from tests.service.conftest import REPLICA, SOURCE, serving
from tests.unit.web.doors import FakePublisher

SECRET = "secret-of-the-tests"
EXISTING = "hello.txt"
"""As in the examples of the description, which are asked first."""

CONFIG = {
    "generation": {"deterministic": True, "max-examples": 30, "database": "none", "mode": "all"},
    "checks": {
        # A name of 1024 characters may have more bytes, and Cloud Storage forbids a few more: 422. 412 is a generation
        # that the object is not at.
        "positive_data_acceptance": {
            "expected-statuses": ["200", "201", "204", "304", "403", "404", "409", "412", "422"]
        },
    },
}


@pytest.fixture(scope="module")
def replicate_url(s3_url):
    with serving(s3_url) as service:
        service.put(EXISTING, b"hello")
        service.s3.create_bucket(Bucket="missing-bucket")  # all is ready here
        yield service.url
        service.s3.delete_bucket(Bucket="missing-bucket")


@pytest.fixture(scope="module")
def ingest_url():
    with listening(IngestDoors(FakePublisher, [SECRET])) as url:
        yield url


def load(service):
    return schemathesis.openapi.from_dict(describe(service), config=SchemathesisConfig.from_dict(CONFIG))


replicate, ingest = load(REPLICATE), load(INGEST)

LEADS_TO = {
    "POST /v1/replicate": {201, 400},
    "POST /v1/replicate:batch": {200, 400},
    "GET /v1/object": {404},
    "GET /v1/object/{bucket}/{key}": {200, 404},
    "DELETE /v1/object": {404},
    "DELETE /v1/object/{bucket}/{key}": {200, 404},
}
"""What some of the answers have to be: were all of them refusals, they would show little."""


answers: set[tuple[str, int]] = set()
"""Of the running test: the operation's label and the status of each answer."""


@pytest.fixture(autouse=True)
def _what_was_asked_led_to_something():
    """Looks at the answers of one operation when all have been given."""
    answers.clear()
    yield
    for label in {label for label, _ in answers}:
        assert LEADS_TO.get(label, set()) <= {status for _, status in answers}


@replicate.parametrize()
def test_the_service_answers_as_it_says(case, replicate_url):
    lead_to_something(case)
    excluded = []
    if looks_like_event(case.body):
        # The description has an event's outline only: what is inside an envelope, in strings and in base64, no schema
        # can say. That whole events are followed is shown by tests/unit/web/test_event_shapes.py.
        excluded.append(positive_data_acceptance)
    response = case.call_and_validate(base_url=replicate_url, excluded_checks=excluded)
    answers.add((case.operation.label, response.status_code))


@ingest.parametrize()
def test_the_ingest_answers_as_it_says(case, ingest_url):
    if case.operation.label == "POST /v1/events":
        case.headers[SECRET_HEADER] = SECRET
    assert case.call_and_validate(base_url=ingest_url).status_code < 500


def lead_to_something(case) -> None:
    """Sends what is drawn to the buckets that exist, and half of it to the object that does: else all would be 403."""
    if not case.meta.generation.mode.is_positive:
        return
    for place, bucket in ((case.path_parameters, REPLICA), (case.query, REPLICA), (case.body, SOURCE)):
        if isinstance(place, dict) and not looks_like_event(place):
            for name in {"bucket", "s3_bucket", "src_bucket"} & set(place):
                place[name] = bucket
            for name in {"key", "s3_key", "src_key"} & set(place):
                if zlib.crc32(repr(place[name]).encode()) % 2:
                    place[name] = EXISTING


def test_what_was_asked_about_is_what_the_services_describe(replicate_url, ingest_url):
    assert requests.get(f"{replicate_url}/openapi.json", timeout=60).json() == describe(REPLICATE)
    assert requests.get(f"{ingest_url}/openapi.json", timeout=60).json() == describe(INGEST)
