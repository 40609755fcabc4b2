"""What the real service says of itself: lines that belong to their request, metrics that arrive, and no secret."""

import os
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest

from replicator.dev.cloud_storage import Answer, Fault, Reset, Stall
from tests.servers import AWS, cloud_storage, s3_client
from tests.service.canned_s3 import canned_s3
from tests.service.envelopes import eventbridge, push
from tests.service.observed import REPLICATE, observed
from tests.service.otlp import receiver

LARGE = os.urandom(9 * 1024**2)
OUTCOME_ATTRIBUTES = ("result", "reason", "rule", "door")
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@contextmanager
def replicating(folder, s3_url, source_url=None, **variables):
    """The service between an embedded S3 and the embedded Cloud Storage, which holds the source's one object."""
    s3 = s3_client(s3_url)
    s3.create_bucket(Bucket="source-bucket")
    s3.put_object(Bucket="source-bucket", Key="k", Body=b"hello")
    s3.put_object(Bucket="source-bucket", Key="large", Body=LARGE)
    endpoints = {"AWS_ENDPOINT_URL_S3": source_url or s3_url}
    try:
        with cloud_storage("replica-bucket") as storage:
            own = {**REPLICATE, **AWS, **endpoints, "STORAGE_EMULATOR_HOST": storage.url, **variables}
            with observed(folder, **own) as service:
                yield service, storage
    finally:
        for key in ("k", "large"):
            s3.delete_object(Bucket="source-bucket", Key=key)
        s3.delete_bucket(Bucket="source-bucket")


# --- Lines ------------------------------------------------------------------------------------------------------------


def test_every_line_belongs_to_its_request_and_its_message(tmp_path, s3_url):
    envelope = push(eventbridge("k")) | {"deliveryAttempt": 3}
    envelope["message"]["messageId"] = "4711"
    traceparent = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
    items = {"items": [{"bucket": "source-bucket", "key": "k"}, {"bucket": "source-bucket", "key": "absent"}]}
    with replicating(tmp_path, s3_url, GOOGLE_CLOUD_PROJECT="a-project") as (service, _):
        assert service.call("POST", "/", json=envelope, headers=traceparent).status_code == 204
        cloud_trace = {"X-Cloud-Trace-Context": f"{TRACE}/1;o=1"}
        assert service.call("POST", "/v1/replicate:batch", json=items, headers=cloud_trace).status_code == 200
        assert service.call("POST", "/", data=b"{").status_code == 400
    event, *batch, malformed = service.fields()
    assert event["result"] == "created"
    assert event["logging.googleapis.com/trace"] == f"projects/a-project/traces/{TRACE}"
    assert event["logging.googleapis.com/spanId"] == SPAN
    assert (event["message_id"], event["delivery_attempt"], event["door"]) == ("4711", 3, "event")
    assert event["lag_seconds"] > 0
    assert len(batch) == 2  # each logged by a worker thread
    assert {line["logging.googleapis.com/trace"] for line in batch} == {f"projects/a-project/traces/{TRACE}"}
    assert (malformed["reason"], malformed["door"]) == ("event_malformed", "POST /")
    assert malformed["request_id"]


# --- Metrics ----------------------------------------------------------------------------------------------------------


def otlp(url: str, interval: float = 0.1) -> dict[str, str]:
    milliseconds = str(int(interval * 1000))
    return {"METRICS": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_METRIC_EXPORT_INTERVAL": milliseconds}


def test_metrics_reach_a_collector_and_agree_with_the_lines(tmp_path, s3_url):
    with receiver() as collector, replicating(tmp_path, s3_url, **otlp(collector.url)) as (service, _):
        service.replicate("k")
        service.replicate("large")
        service.replicate("absent")
        service.call("POST", "/", json=push(eventbridge("k")))
        service.call("POST", "/", data=b"{")
        collector.wait_for(lambda points: collector.value("replicator.outcomes") == 5)
        said = Counter(tuple(line.get(name, "none") for name in OUTCOME_ATTRIBUTES) for line in service.fields())
        counted = {
            tuple(attributes[name] for name in OUTCOME_ATTRIBUTES): value
            for instrument, attributes, value in collector.points
            if instrument == "replicator.outcomes"
        }
        assert counted == said
        assert collector.value("replicator.copied_bytes", path="whole") == 5
        assert collector.value("replicator.copied_bytes", path="stream", rule="default") == len(LARGE)
        assert collector.value("replicator.duration")[0] == 4
        assert collector.value("replicator.attempts") == (4, 4)
        assert collector.value("replicator.inflight_bytes") == 0
        assert collector.resource["service.name"] == "replicate"
        assert not [name for name, _, _ in collector.points if name == "replicator.lag"]  # the event found it done


def test_the_last_metrics_are_sent_when_the_service_ends(tmp_path, s3_url):
    with receiver() as collector:
        with replicating(tmp_path, s3_url, **otlp(collector.url, interval=3600)) as (service, _):
            assert service.call("POST", "/", json=push(eventbridge("k"))).status_code == 204
            assert not collector.asked.is_set()
        collector.wait_for(lambda points: collector.value("replicator.lag")[0] == 1)


def test_the_last_metrics_are_sent_though_a_request_still_hangs(tmp_path, s3_url):
    reached = threading.Event()
    with receiver() as collector, ThreadPoolExecutor(1) as callers:
        with replicating(tmp_path, s3_url, **otlp(collector.url, interval=3600)) as (service, storage):
            assert service.call("POST", "/", json=push(eventbridge("k"))).status_code == 204
            storage.faults.add(Fault(Stall(seconds=15, reached=reached), path="/upload/", times=None))
            callers.submit(service.replicate, "large")
            assert reached.wait(30)
        collector.wait_for(lambda points: collector.value("replicator.lag")[0] == 1)


def test_a_collector_that_is_down_disturbs_nobody(tmp_path, s3_url):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/marker-path"
    with replicating(tmp_path, s3_url, **otlp(url, interval=0.05)) as (service, _):
        assert service.replicate("k").status_code == 201
        service.wait_for_line(lambda line: line["message"].startswith("opentelemetry"))
        assert service.replicate("k").status_code == 200
    said = [(line["message"], line["severity"]) for line in service.fields() if "opentelemetry" in line["message"]]
    assert len(set(said)) == len(said)
    assert "marker-path" not in "".join(service.lines)


def test_a_collector_that_does_not_answer_delays_neither_a_request_nor_the_end_for_long(tmp_path, s3_url):
    with receiver() as collector:
        collector.go_on.clear()
        with replicating(tmp_path, s3_url, **otlp(collector.url, interval=0.05)) as (service, _):
            assert service.replicate("k").status_code == 201
            assert collector.asked.wait(30)
            assert service.replicate("k").status_code == 200
            ending = time.monotonic()
            service.service.stop()
            assert time.monotonic() - ending < 8  # Cloud Run kills after 10 s, as long as one export may take


def test_an_exporter_that_cannot_be_built_disturbs_nobody(tmp_path, s3_url):
    broken = otlp("http://127.0.0.1:1/marker", interval=-1)
    with replicating(tmp_path, s3_url, **broken) as (service, _):
        assert service.replicate("k").status_code == 201
    assert [line["reason"] for line in service.fields() if "reason" in line] == ["unexpected", "destination_absent"]
    assert "marker" not in "".join(service.lines)


# --- No secret in any line or answer ----------------------------------------------------------------------------------

MARKED_HEADERS = {
    "Authorization": "Bearer marker-authorization",
    "Cookie": "marker-cookie",
    "X-Ingest-Secret": "marker-wrong-ingest-secret",
    "X-Amz-Security-Token": "marker-amz-token",
    "User-Agent": "marker-agent",
    "Referer": "https://marker-referer/",
    "X-Forwarded-For": "marker-address",
    "traceparent": "marker-traceparent",
    "X-Cloud-Trace-Context": "marker-cloud-trace",
}
MARKED_ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": "marker-aws-key", "AWS_SESSION_TOKEN": "marker-aws-token"}


def assert_nothing_leaked(service, *more: str) -> None:
    said = "\n".join(service.lines)
    answered = "\n".join(f"{answer.headers} {answer.text}" for answer in service.answers)
    assert service.answers
    assert "result" in said, "nothing was logged"
    for secret in ("marker", "Traceback", *more):
        assert secret not in said
        assert secret not in answered


def test_no_header_no_malformed_input_and_no_session_uri_is_said(tmp_path, s3_url):
    with replicating(tmp_path, s3_url, **MARKED_ENVIRONMENT) as (service, storage):
        service.headers = MARKED_HEADERS
        assert service.replicate("k").status_code == 201
        for action in (Reset(), Answer(404), Answer(410), Answer(403), Answer(400), Answer(503)):
            storage.faults.add(Fault(action, method="PUT", path="upload_id"))
            service.replicate("large")
            service.call("DELETE", "/v1/object", params={"bucket": "replica-bucket", "key": "large"})
        assert service.call("POST", "/", json=push(eventbridge("k"))).status_code == 204
        for path in ("/", "/v1/replicate", "/v1/replicate:batch"):
            for body in (
                b"marker{",
                b'{"marker": "marker"}',
                b'{"items": [{"marker": 1}, "marker", {"bucket": "marker"}]}',
            ):
                assert service.call("POST", path, data=body, params={"marker": "marker"}).status_code in (200, 400)
        assert service.call("GET", "/v1/object", params={"bucket": "b", "key": "k", "marker": "m"}).status_code == 400
        for method, path in (("GET", "/marker"), ("PUT", "/v1/replicate?marker"), ("GET", "/v1/object/%ffmarker/k")):
            assert service.call(method, path).status_code in (400, 404, 405)
        for method in ("GET", "DELETE"):
            # A name that is well-formed is said, like every object's: it is what the line is about.
            assert service.call(method, "/v1/object/replica-bucket/absent").status_code == 404
        for path in ("/", "/health", "/ready"):
            assert service.call("GET", path).status_code == 200
        sessions = {
            parse_qs(served.query)["upload_id"][0] for served in storage.requests if "upload_id" in served.query
        }
    assert len(sessions) >= 6
    assert_nothing_leaked(service, *sessions)


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "marker-code"])
def test_no_credential_and_no_text_of_s3_s_is_said_when_s3_refuses(tmp_path, s3_url, code):
    text = {"x-amz-meta-marker": "marker", "x-amz-request-id": "marker-request"}
    with (
        canned_s3(403, text, code) as source_url,
        replicating(tmp_path, s3_url, source_url, MAX_RETRIES="0", **MARKED_ENVIRONMENT) as (service, _),
    ):
        service.headers = MARKED_HEADERS
        assert service.replicate("k").status_code in (403, 422, 503)
        assert service.call("POST", "/", json=push(eventbridge("k"))).status_code in (403, 422, 503)
        assert service.call("GET", "/ready").status_code == 503
    assert_nothing_leaked(service, "secret-text")


@pytest.mark.parametrize("headers", [{"Last-Modified": "marker"}, {"Content-Length": "marker"}, {"ETag": "marker\x01"}])
def test_no_text_of_an_error_that_nobody_foresaw_is_said(tmp_path, s3_url, headers):
    with (
        canned_s3(200, headers) as source_url,
        replicating(tmp_path, s3_url, source_url, MAX_RETRIES="0", **MARKED_ENVIRONMENT) as (service, _),
    ):
        assert service.replicate("k").status_code >= 500
        assert service.call("POST", "/", json=push(eventbridge("k"))).status_code >= 500
    assert_nothing_leaked(service)


def test_the_ingest_target_says_no_secret_either(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        pubsub = f"127.0.0.1:{closed.getsockname()[1]}"
    variables = {
        "INGEST_SECRETS": "marker-right-ingest-secret",
        "PUBSUB_TOPIC": "projects/p/topics/t",
        "PUBSUB_EMULATOR_HOST": pubsub,
    }
    right = {"X-Ingest-Secret": "marker-right-ingest-secret"}
    with observed(tmp_path, "ingest", **variables) as service:
        service.headers = MARKED_HEADERS
        assert service.call("POST", "/v1/events", json=eventbridge("k")).status_code == 403
        assert service.call("POST", "/v1/events", data=b"marker{", headers=right).status_code == 400
        assert service.call("POST", "/v1/events", json=eventbridge("k"), headers=right).status_code == 503
    assert {line["reason"] for line in service.fields() if "reason" in line} == {
        "ingest_secret_wrong",
        "event_malformed",
        "publish_failed",
    }
    assert_nothing_leaked(service)


def test_a_request_that_is_not_http_is_not_repeated_in_a_line(tmp_path, s3_url):
    with replicating(tmp_path, s3_url) as (service, _):
        host, port = service.url.removeprefix("http://").split(":")
        for head in (b"Authorization marker", b"marker: \x00marker", b"Content-Length: marker"):
            with socket.create_connection((host, int(port)), timeout=30) as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
                connection.recv(65536)
        assert service.replicate("k").status_code == 201
    assert_nothing_leaked(service)
