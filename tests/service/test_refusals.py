"""Every refused input gets its status and reason at either door; nothing is written, nothing leaks."""

import pytest

from tests.service.canned_s3 import canned_s3
from tests.service.conftest import SOURCE, serving
from tests.service.envelopes import eventbridge, push

HEAD = {"ETag": '"0cc175b9c0f1b6a831c399e269772661"', "Last-Modified": "Sat, 21 Nov 2026 00:00:00 GMT"}
TOO_LARGE = HEAD | {"Content-Length": str(5 * 1024**4 + 1)}


def check_refused(service, response, status, reason):
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert (problem["status"], problem["reason"]) == (status, reason)
    assert problem["detail"]
    assert "secret-text" not in response.text
    assert service.writes() == 0


@pytest.mark.parametrize("path", ["/", "/v1/replicate"])
@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"bucket": "a"', b"[" * 100_000], ids=repr)
def test_a_body_that_is_not_json_is_malformed(service, path, body):
    response = service.http.post(service.url + path, data=body, timeout=60)
    check_refused(service, response, 400, "request_malformed" if path == "/v1/replicate" else "event_malformed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"s3_bucket": SOURCE},
        {"s3_key": "k"},
        {"s3_bucket": SOURCE, "s3_key": 1},
        {"s3_bucket": SOURCE, "s3_key": ""},
        {"s3_bucket": [SOURCE], "s3_key": "k"},
        {"s3_bucket": SOURCE, "s3_key": "k", "bucket": "other"},
        {"s3_bucket": SOURCE, "s3_key": "k", "overwrite": True},
        {"bucket": SOURCE, "key": "\ud800"},
        "text",
        1,
        None,
    ],
    ids=str,
)
def test_a_direct_body_of_another_shape_is_malformed(service, body):
    check_refused(
        service, service.http.post(f"{service.url}/v1/replicate", json=body, timeout=60), 400, ("request_malformed")
    )


@pytest.mark.parametrize("event", [{}, {"hello": "world"}, [], {"Records": "x"}, "text", 7, None], ids=str)
def test_a_message_that_is_no_event_is_left_for_the_dead_letter_topic(service, event):
    check_refused(service, service.push(push(event)), 400, "event_malformed")


def test_a_body_that_is_larger_than_any_event_is_refused(service):
    response = service.http.post(f"{service.url}/v1/replicate", data=b" " * (1024**2 + 1), timeout=60)
    check_refused(service, response, 413, "body_too_large")


def test_a_bucket_that_no_rule_names_is_neither_read_nor_written(service):
    service.s3.create_bucket(Bucket="other-bucket")
    service.s3.put_object(Bucket="other-bucket", Key="k", Body=b"private")
    check_refused(service, service.replicate("k", "other-bucket"), 403, "bucket_not_in_rules")
    assert service.push(push(eventbridge("k", bucket="other-bucket"))).status_code == 204
    assert service.writes() == 0


def test_an_absent_key_is_not_found_for_a_caller_and_a_fact_for_an_event(service):
    check_refused(service, service.replicate("absent"), 404, "source_not_found")
    assert service.push(push(eventbridge("absent"))).status_code == 204


def test_a_missing_bucket_is_not_found_and_never_acknowledged(service):
    check_refused(service, service.replicate("k", "missing-bucket"), 404, "source_bucket_not_found")
    check_refused(
        service, service.push(push(eventbridge("k", bucket="missing-bucket"))), 404, ("source_bucket_not_found")
    )


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_refused_until_it_is_restored(service, storage_class):
    service.put("k", b"cold", StorageClass=storage_class)
    check_refused(service, service.replicate("k"), 422, "source_archived")
    check_refused(service, service.push(push(eventbridge("k"))), 422, "source_archived")


@pytest.mark.parametrize("key", ["..", ".", "a\nb", "a\rb", "é" * 513, ".well-known/acme-challenge/x", ".replicator/x"])
def test_a_name_that_cloud_storage_cannot_hold_is_refused_before_anything_is_read(service, key):
    before = len(service.storage.requests)
    check_refused(service, service.replicate(key), 422, "destination_name_invalid")
    assert len(service.storage.requests) == before


def test_an_object_above_5_tib_is_refused_before_a_byte_is_read(s3_url):
    with canned_s3(200, TOO_LARGE) as source_url, serving(s3_url, source_url=source_url) as service:
        check_refused(service, service.replicate("k"), 422, "source_too_large")
        check_refused(service, service.push(push(eventbridge("k"))), 422, "source_too_large")


def test_access_denied_is_refused_at_either_door(s3_url):
    with canned_s3(403, code="AccessDenied") as source_url, serving(s3_url, source_url=source_url) as service:
        check_refused(service, service.replicate("k"), 403, "source_access_denied")
        check_refused(service, service.push(push(eventbridge("k"))), 403, "source_access_denied")


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"])
def test_rejected_credentials_ask_for_redelivery(s3_url, code):
    with canned_s3(403, code=code) as source_url, serving(s3_url, source_url=source_url) as service:
        check_refused(service, service.replicate("k"), 503, "source_credentials_rejected")


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/replicate", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
        ("GET", "/v1/nothing", 404, "route_unknown"),
    ],
)
def test_other_paths_and_methods_are_refused(service, method, path, status, reason):
    check_refused(service, service.http.request(method, service.url + path, timeout=60), status, reason)


def test_health_touches_nothing_and_readiness_names_each_bucket(service):
    assert service.http.get(f"{service.url}/health", timeout=60).json() == {"status": "ok"}
    assert len(service.storage.requests) == 0
    ready = service.http.get(f"{service.url}/ready", timeout=60)
    assert ready.status_code == 503
    assert ready.json()["checks"] == {
        "s3://missing-bucket": "source_bucket_not_found",
        "s3://source-bucket": "ok",
        "gs://replica-bucket": "ok",
    }
