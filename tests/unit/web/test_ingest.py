"""The door of the target `ingest`: who may come in, and that what comes in is published as it is, or not accepted."""

import json
import logging

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.errors import Transient
from replicator.reasons import Reason
from replicator.web.ingest import SECRET_HEADER, IngestDoors
from replicator.web.requests import MAX_BODY_BYTES
from tests.unit.web.doors import FakePublisher

OLD, NEW = "old-0123456789abcdef", "new-0123456789abcdef"
EVENT = {
    "id": "e-1",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {"bucket": {"name": "source"}, "object": {"key": "ü k"}},
}


class Service:
    def __init__(self, *secrets: str) -> None:
        self.publisher, self.built = FakePublisher(), 0
        self.client = Client(Request.application(IngestDoors(self._publisher, secrets)))

    def _publisher(self) -> FakePublisher:
        self.built += 1
        return self.publisher

    def post(self, body: object = EVENT, secret: str | None = NEW, **arguments):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {} if secret is None else {SECRET_HEADER: secret}
        return self.client.post("/v1/events", data=data, headers=headers, **arguments)


@pytest.fixture
def service():
    return Service(OLD, NEW)


# --- Who may come in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_during_a_rotation_both_secrets_are_accepted(service, secret):
    assert service.post(secret=secret).status_code == 204
    assert len(service.publisher.published) == 1


@pytest.mark.parametrize(
    "secret",
    [
        None,
        "",
        "not-the-secret",
        NEW[:-1],
        NEW + "x",
        NEW.upper(),
        f"{OLD},{NEW}",
        f"Bearer {NEW}",
        "ü" * 20,
        "\xff\x80",
        "x" * 10_000,
    ],
)
def test_anybody_else_is_answered_403_because_401_would_end_the_whole_connection(service, secret):
    answer = service.post(secret=secret)
    assert (answer.status_code, answer.json["reason"]) == (403, "ingest_secret_wrong")
    assert (service.publisher.published, service.built) == ([], 0)
    assert NEW not in answer.text
    assert secret is None or len(secret) < 3 or secret not in answer.text


def test_a_secret_that_is_retired_is_not_accepted():
    assert Service(NEW).post(secret=OLD).status_code == 403


def test_a_secret_may_have_any_letters():
    secret = "ein-geheimnis-für-äußerste-fälle"
    service = Service(NEW, secret)
    as_sent = secret.encode().decode("latin-1")
    assert service.post(secret=as_sent).status_code == 204
    assert service.post(secret="ein-geheimnis-f?r-?u?erste-f?lle").status_code == 403


def test_a_secret_in_the_query_or_the_body_is_none(service):
    answer = service.client.post(f"/v1/events?{SECRET_HEADER}={NEW}", json={SECRET_HEADER: NEW, **EVENT})
    assert answer.status_code == 403


def test_without_the_secret_the_body_is_not_even_read(service):
    answer = service.post(b" " * (MAX_BODY_BYTES + 1), secret="wrong")
    assert answer.status_code == 403


def test_a_wrong_secret_is_logged_without_it(service, caplog):
    service.post(secret="a-wrong-secret")
    (line,) = caplog.records
    assert (line.levelname, line.json_fields["reason"]) == ("WARNING", "ingest_secret_wrong")  # anybody may try
    assert "a-wrong-secret" not in f"{line.getMessage()} {line.json_fields}"


# --- What is published ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        json.dumps(EVENT).encode(),
        json.dumps(EVENT, indent=4, ensure_ascii=False).encode() + b"\r\n",
        b' {"detail-type" :"Object Created","source":"aws.s3", "x": 1.00, "x": 2,'
        b'"detail":{"bucket":{"name":"source"},"object":{"key":"k"}}}',
        b"[" + json.dumps(EVENT).encode() + b"]",
    ],
)
def test_the_very_bytes_that_came_are_published(service, body):
    assert service.post(body).status_code == 204
    assert [data for data, _ in service.publisher.published] == [body]


def test_attributes_are_for_subscriptions_to_filter_by(service):
    service.post()
    service.post([{"detail-type": "Object ACL Updated", "source": "aws.s3"}, EVENT])
    expected = {"bucket": "source", "kind": "Object Created", "event_id": "e-1"}
    assert [attributes for _, attributes in service.publisher.published] == [expected, expected]


def test_an_event_without_an_id_has_an_empty_one(service):
    service.post({name: value for name, value in EVENT.items() if name != "id"})
    assert service.publisher.published[0][1]["event_id"] == ""


@pytest.mark.parametrize(
    "event",
    [
        {"detail-type": "Object Created", "source": "aws.s3"},
        {"something": "else"},
        [],
        17,
        None,
    ],
)
def test_what_is_no_event_is_published_all_the_same_for_somebody_to_look_at(service, event):
    assert service.post(event).status_code == 204
    assert service.publisher.published == [(json.dumps(event).encode(), {})]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"detail-type": "Object ACL Updated", "source": "aws.s3"}, "Object ACL Updated"),
        ({"Event": "s3:TestEvent"}, "s3:TestEvent"),
    ],
)
def test_what_asks_for_nothing_can_be_filtered_by_its_type(service, event, kind):
    assert service.post(event).status_code == 204
    assert service.publisher.published == [(json.dumps(event).encode(), {"kind": kind})]


def test_an_acknowledgement_has_no_body_and_one_line(service, caplog):
    caplog.set_level(logging.INFO, "replicator")
    assert service.post().data == b""
    (line,) = caplog.records
    assert (line.json_fields["message_id"], line.json_fields["event_id"]) == ("4712", "e-1")


# --- What is not ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b"not json", b"{", b"\xff\xfe{}", b"[" * 100_000])
def test_what_is_not_json_is_malformed_and_not_published(service, body):
    answer = service.post(body)
    assert (answer.status_code, answer.json["reason"]) == (400, "event_malformed")
    assert (service.publisher.published, service.built) == ([], 0)


def test_what_is_larger_than_any_event_is_refused_and_not_published(service):
    answer = service.post(b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json["reason"]) == (413, "body_too_large")
    assert service.publisher.published == []


def test_a_publish_that_failed_is_asked_for_again(service):
    service.publisher.error = Transient(Reason.PUBLISH_FAILED, "ServiceUnavailable")
    answer = service.post()
    assert (answer.status_code, answer.json["reason"]) == (503, "publish_failed")
    assert int(answer.headers["Retry-After"]) > 0
    service.publisher.error = None
    assert service.post().status_code == 204


def test_an_unexpected_error_is_asked_for_again_and_its_text_kept(service, caplog):
    service.publisher.error = ValueError("do-not-show-this")
    answer = service.post()
    assert (answer.status_code, answer.json["reason"]) == (500, "unexpected")
    (line,) = caplog.records
    assert "do-not-show-this" not in f"{answer.text} {line.getMessage()} {line.json_fields}"


# --- Other paths and methods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_events_are_only_posted(service, method):
    answer = service.client.open("/v1/events", method=method, headers={SECRET_HEADER: NEW})
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
    assert service.built == 0


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/"), ("GET", "/"), ("POST", "/v1/replicate"), ("GET", "/ready")]
)
def test_the_doors_of_the_other_target_are_not_here(service, method, path):
    answer = service.client.open(path, method=method, headers={SECRET_HEADER: NEW}, json=EVENT)
    assert (answer.status_code, answer.json["reason"]) == (404, "route_unknown")
    assert service.publisher.published == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_liveness_needs_no_secret_and_touches_nothing(service, method):
    assert service.client.open("/health", method=method).status_code == 200
    assert service.built == 0
