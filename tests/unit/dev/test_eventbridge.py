import pytest

from replicator.dev.deliveries import Backoff
from replicator.dev.eventbridge import ApiDestination
from tests.unit.dev.endpoint import endpoint

EVENT = {"id": "e-1", "detail": {"object": {"key": "ünï 🦊"}}}
HEADER = ("X-Ingest-Secret", "a secret")


def send(url, reports, max_attempts=4):
    with ApiDestination(
        url, HEADER, reports.append, backoff=Backoff(0.001, 0.002), max_attempts=max_attempts
    ) as destination:
        destination.add(EVENT)
        assert destination.settle(5)


def test_an_event_arrives_as_eventbridge_sends_it():
    reports = []
    with endpoint(204) as there:
        send(there.url, reports)
        ((headers, body),) = there.requests
    assert body == EVENT
    assert headers["User-Agent"] == "Amazon/EventBridge/ApiDestinations"
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["X-Ingest-Secret"] == "a secret"
    assert reports == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_endpoint_that_is_busy_is_tried_again(status):
    reports = []
    with endpoint(status, status, 204) as there:
        send(there.url, reports)
        assert len(there.requests) == 3
    assert reports == []


@pytest.mark.parametrize("status", [301, 400, 403, 404])
def test_an_endpoint_that_refuses_the_event_loses_it(status):
    reports = []
    with endpoint(status, 204) as there:
        send(there.url, reports)
        assert len(there.requests) == 1
    assert reports == [f"EventBridge dropped the event e-1 after attempt 1: {status}"]


def test_an_event_is_not_tried_for_ever():
    reports = []
    with endpoint(503) as there:
        send(there.url, reports, max_attempts=3)
        assert len(there.requests) == 3
    assert reports == ["EventBridge dropped the event e-1 after attempt 3: 503"]
