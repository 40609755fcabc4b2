"""The doors of the target `replicate`, over in-memory sides: what each of them answers, and does."""

import base64
import json
import logging

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.engine import Engine, RetryPolicy
from replicator.errors import Permanent, Transient
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Deletes, Foreign, Rule
from replicator.transfer import Transfer
from replicator.web.replicate import ReplicateDoors
from replicator.web.requests import MAX_BODY_BYTES
from tests.fakes import InMemoryDestination, InMemorySource

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
SECRET = "do-not-show-this"


class FailingSource(InMemorySource):
    """Raises the error given for a key, when that is looked at."""

    def __init__(self, *buckets: str) -> None:
        super().__init__(*buckets)
        self.failures: dict[str, Exception] = {}
        self.looked_at: list[str] = []

    def stat(self, key: SourceKey):
        self.looked_at.append(key.key)
        if error := self.failures.get(key.key):
            raise error
        return super().stat(key)


class Service:
    """The doors, both sides behind them, and a client in front of them."""

    def __init__(self) -> None:
        self.source = FailingSource("source")
        self.destination = InMemoryDestination({"replica"})
        self.deletes, self.foreign = Deletes.IGNORE, Foreign.OVERWRITE
        self.deadline_seconds, self.max_retries = 60.0, 0
        self.built = 0
        self.client = Client(Request.application(ReplicateDoors(self._engine)))

    def _engine(self) -> Engine:
        self.built += 1
        rule = Rule("default", frozenset({"source"}), "replica", self.deletes, self.foreign)
        reconciler = Reconciler(self.source, self.destination, Transfer(self.source, self.destination, 64 * 1024))
        retry = RetryPolicy(self.max_retries, 0, 1, lambda seconds: None)
        return Engine((rule,), reconciler, retry, self.deadline_seconds)

    def direct(self, key: SourceKey = KEY):
        return self.post("/v1/replicate", {"bucket": key.bucket, "key": key.key})

    def event(self, *keys: SourceKey, path: str = "/"):
        events = [eventbridge(key) for key in keys or (KEY,)]
        return self.post(path, pushed(events[0] if len(events) == 1 else events))

    def post(self, path: str, document: object):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return self.client.post(path, data=body, content_type="application/json")


def eventbridge(key: SourceKey = KEY, kind: str = "Object Created") -> dict:
    detail = {"bucket": {"name": key.bucket}, "object": {"key": key.key}}
    return {"detail-type": kind, "source": "aws.s3", "time": "2026-01-01T00:00:00Z", "id": "e-1", "detail": detail}


def pushed(event: object, **fields: object) -> dict:
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    return {"message": {"data": base64.b64encode(data).decode(), "messageId": "1"}, "subscription": "s", **fields}


@pytest.fixture
def service():
    return Service()


# --- The status table, at both doors ----------------------------------------------------------------------------------


def created(service):
    service.source.put(KEY, b"hello")


def updated(service):
    service.source.put(KEY, b"one")
    service.direct()
    service.source.put(KEY, b"two")


def metadata_updated(service):
    service.source.put(KEY, b"one")
    service.direct()
    service.source.put(KEY, b"one", metadata={"colour": "blue"})


def adopted(service):
    service.source.put(KEY, b"one")
    service.destination.put_foreign(NAME, b"one")


def foreign_overwritten(service):
    service.source.put(KEY, b"one")
    service.destination.put_foreign(NAME, b"other")


def unchanged(service):
    service.source.put(KEY, b"one")
    service.direct()


def foreign_kept(service):
    service.foreign = Foreign.KEEP
    foreign_overwritten(service)


def deleted(service):
    service.deletes = Deletes.PROPAGATE
    unchanged(service)
    service.source.delete(KEY)


def deletes_ignored(service):
    unchanged(service)
    service.source.delete(KEY)


def not_found(service):
    pass


OUTCOMES = [
    (created, 201, "created", "destination_absent"),
    (updated, 201, "updated", "source_changed"),
    (foreign_overwritten, 201, "updated", "foreign_overwritten"),
    (metadata_updated, 201, "metadata_updated", "metadata_changed"),
    (adopted, 201, "metadata_updated", "adopted"),
    (unchanged, 200, "unchanged", "in_sync"),
    (foreign_kept, 200, "kept", "foreign_kept"),
    (deleted, 200, "deleted", "source_deleted"),
    (deletes_ignored, 404, "kept", "deletes_ignored"),
    (not_found, 404, "unchanged", "source_not_found"),
]


@pytest.mark.parametrize(("prepare", "status", "result", "reason"), OUTCOMES)
def test_a_caller_learns_what_happened(service, prepare, status, result, reason):
    prepare(service)
    answer = service.direct()
    assert (answer.status_code, answer.json["result"], answer.json["reason"]) == (status, result, reason)
    assert (answer.json["source"], answer.json["rule"]) == ("s3://source/k", "default")
    assert answer.mimetype == ("application/json" if status < 400 else "application/problem+json")


@pytest.mark.parametrize(("prepare", "status", "result", "reason"), OUTCOMES)
def test_an_event_is_acknowledged_whatever_happened(service, caplog, prepare, status, result, reason):
    prepare(service)
    caplog.clear()
    caplog.set_level(logging.INFO, "replicator")
    answer = service.event()
    assert (answer.status_code, answer.data) == (204, b"")
    (line,) = caplog.records
    assert (line.json_fields["result"], line.json_fields["reason"]) == (result, reason)


def test_a_bucket_that_no_rule_names_is_forbidden_to_a_caller_and_ignored_for_an_event(service):
    key = SourceKey("somebody-elses", "k")
    answer = service.direct(key)
    assert (answer.status_code, answer.json["result"], answer.json["reason"]) == (403, "ignored", "bucket_not_in_rules")
    assert service.event(key).status_code == 204
    assert service.source.looked_at == []


ERRORS = [
    (Permanent(Reason.SOURCE_ACCESS_DENIED), 403),
    (Permanent(Reason.DESTINATION_ACCESS_DENIED), 403),
    (Permanent(Reason.SOURCE_BUCKET_NOT_FOUND), 404),
    (Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND), 404),
    (Permanent(Reason.SOURCE_ARCHIVED), 422),
    (Permanent(Reason.SOURCE_TOO_LARGE, "6 of 5"), 422),
    (Permanent(Reason.DESTINATION_REFUSED), 422),
    (Transient(Reason.SOURCE_UNAVAILABLE), 503),
    (Transient(Reason.SOURCE_CREDENTIALS_REJECTED), 503),
    (Transient(Reason.CREDENTIALS_UNAVAILABLE), 503),
    (Transient(Reason.CHECKSUM_MISMATCH), 503),
    (ValueError(SECRET), 500),
    (KeyError(SECRET), 500),
]


@pytest.mark.parametrize("door", ["direct", "event"])
@pytest.mark.parametrize(("error", "status"), ERRORS, ids=str)
def test_an_error_has_its_status_at_either_door_and_is_logged_once(service, caplog, door, error, status):
    service.source.failures["k"] = error
    answer = getattr(service, door)()
    reason = getattr(error, "reason", Reason.UNEXPECTED)
    assert (answer.status_code, answer.json["reason"]) == (status, reason)
    assert answer.mimetype == "application/problem+json"
    assert ("Retry-After" in answer.headers) == (status == 503)
    (line,) = caplog.records
    assert line.json_fields["reason"] == reason
    assert SECRET not in f"{answer.text} {line.getMessage()} {line.json_fields}"


@pytest.mark.parametrize("door", ["direct", "event"])
def test_a_name_that_cannot_be_is_refused(service, door):
    answer = getattr(service, door)(SourceKey("source", ".."))
    assert (answer.status_code, answer.json["reason"]) == (422, "destination_name_invalid")
    assert service.source.looked_at == []


@pytest.mark.parametrize("door", ["direct", "event"])
def test_out_of_time_asks_to_come_back(service, door):
    service.deadline_seconds = 0
    answer = getattr(service, door)()
    assert (answer.status_code, answer.json["reason"]) == (503, "out_of_time")
    assert int(answer.headers["Retry-After"]) > 0


def test_an_engine_that_cannot_be_built_is_answered_and_tried_again(service):
    service.source.put(KEY, b"hello")
    outcomes = [Transient(Reason.CREDENTIALS_UNAVAILABLE), ValueError(SECRET)]

    def engine():
        if outcomes:
            raise outcomes.pop(0)
        return service._engine()

    client = Client(Request.application(ReplicateDoors(engine)))
    body = {"bucket": "source", "key": "k"}
    assert [client.post("/v1/replicate", json=body).status_code for _ in range(3)] == [503, 500, 201]


# --- Direct calls -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [("bucket", "key"), ("s3_bucket", "s3_key")])
def test_a_caller_names_an_object_in_either_spelling(service, fields):
    key = SourceKey("source", "a b+c%2F/ü🚀")
    service.source.put(key, b"hello")
    answer = service.post("/v1/replicate", dict(zip(fields, (key.bucket, key.key), strict=True)))
    assert answer.status_code == 201
    assert (answer.json["source"], answer.json["destination"]) == (str(key), f"gs://replica/{key.key}")
    assert service.destination.data(DestinationName("replica", key.key)) == b"hello"


def test_a_caller_learns_how_many_attempts_it_took(service):
    service.max_retries = 3
    service.source.put(KEY, b"hello")
    failures = [Transient(Reason.SOURCE_TRUNCATED)] * 2

    def fail(offset):
        if failures:
            raise failures.pop()

    service.source.on_read = fail
    assert service.direct().json["attempts"] == 3


MALFORMED = [
    b"",
    b"not json " + SECRET.encode(),
    b'{"bucket": "source"',
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"bucket": "source", "key": "\\ud800"}',
    {},
    [],
    17,
    None,
    "text",
    {"bucket": "source"},
    {"bucket": "", "key": "k"},
    {"bucket": "source", "key": ""},
    {"bucket": 17, "key": "k"},
    {"bucket": "source", "key": ["k"]},
    {"bucket": "source", "key": "k", "s3_bucket": "other"},
    {"bucket": "source", "key": "k", SECRET: SECRET},
]


@pytest.mark.parametrize("body", MALFORMED, ids=lambda body: repr(body)[:40])
def test_a_direct_body_of_another_shape_is_malformed_and_is_not_repeated(service, body):
    answer = service.post("/v1/replicate", body)
    assert answer.status_code == 400
    assert answer.json["reason"] in ("request_malformed", "event_malformed")
    assert SECRET not in answer.text
    assert service.source.looked_at == []


@pytest.mark.parametrize("path", ["/", "/v1/replicate"])
def test_a_body_that_is_too_large_is_refused(service, path):
    answer = service.post(path, b" " * (MAX_BODY_BYTES + 1))
    assert (answer.status_code, answer.json["reason"]) == (413, "body_too_large")


def test_an_event_at_the_callers_door_is_treated_as_an_event(service):
    assert service.event(path="/v1/replicate").status_code == 204
    assert service.post("/v1/replicate", eventbridge()).status_code == 204
    service.source.failures["k"] = Permanent(Reason.SOURCE_ARCHIVED)
    assert service.event(path="/v1/replicate").status_code == 422


# --- Events -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/v1/replicate"])
@pytest.mark.parametrize(
    "envelope",
    [
        eventbridge,
        lambda: [eventbridge()],
        lambda: pushed(eventbridge()),
        lambda: {"Records": [{"eventName": "ObjectCreated:Put", "s3": eventbridge()["detail"]}]},
    ],
)
def test_an_event_is_followed_in_its_envelope_and_without(service, path, envelope):
    service.source.put(KEY, b"hello")
    assert service.post(path, envelope()).status_code == 204
    assert service.destination.data(NAME) == b"hello"


@pytest.mark.parametrize(
    "event",
    [
        eventbridge(kind="Object ACL Updated"),
        {"detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2"},
        {"Service": "Amazon S3", "Event": "s3:TestEvent"},
    ],
)
def test_an_event_that_asks_for_nothing_is_acknowledged_and_touches_nothing(service, caplog, event):
    caplog.set_level(logging.INFO, "replicator")
    assert service.post("/", pushed(event)).status_code == 204
    assert (service.source.looked_at, service.destination.writes) == ([], [])
    (line,) = caplog.records
    assert line.json_fields["result"] == "ignored"


POISON = [
    b"",
    b"not json " + SECRET.encode(),
    {},
    [],
    17,
    {"bucket": "source", "key": "k"},
    {"message": {}},
    {"message": {"data": 17}},
    {"message": {"data": "not base64 " + SECRET}},
    pushed(b"not json " + SECRET.encode()),
    pushed({"something": SECRET}),
    pushed({"detail-type": "Object Created", "source": "aws.s3", "detail": {SECRET: SECRET}}),
    pushed({"Records": []}),
]


@pytest.mark.parametrize("body", POISON, ids=lambda body: repr(body)[:40])
def test_a_message_that_is_no_event_is_not_acknowledged_so_that_it_becomes_a_dead_letter(service, caplog, body):
    answer = service.post("/", body)
    assert (answer.status_code, answer.json["reason"]) == (400, "event_malformed")
    (line,) = caplog.records
    assert (line.levelno, line.json_fields["reason"]) == (logging.ERROR, "event_malformed")
    assert SECRET not in f"{answer.text} {line.getMessage()} {line.json_fields}"


def keys(*names: str) -> list[SourceKey]:
    return [SourceKey("source", name) for name in names]


@pytest.mark.parametrize("failing", ["first", "second", "third"])
@pytest.mark.parametrize("error", [Permanent(Reason.SOURCE_ARCHIVED), Transient(Reason.CONTENTION), ValueError(SECRET)])
def test_one_change_that_fails_does_not_hide_the_others_of_its_message(service, failing, error):
    for key in keys("first", "second", "third"):
        service.source.put(key, key.key.encode())
    service.source.failures[failing] = error
    answer = service.event(*keys("first", "second", "third"))
    assert answer.status_code in (422, 503, 500)
    copied = {name.name for name in service.destination.objects}
    assert copied == {"first", "second", "third"} - {failing}
    service.source.failures.clear()
    assert service.event(*keys("first", "second", "third")).status_code == 204
    assert len(service.destination.objects) == 3


def test_a_message_with_several_changes_is_acknowledged_when_all_are_done(service, caplog):
    caplog.set_level(logging.INFO, "replicator")
    service.source.put(SourceKey("source", "first"), b"1")
    answer = service.event(*keys("first", "absent"), SourceKey("somebody-elses", "k"))
    assert answer.status_code == 204
    assert [line.json_fields["reason"] for line in caplog.records] == [
        "destination_absent",
        "source_not_found",
        "bucket_not_in_rules",
    ]


def test_of_several_failures_the_one_that_may_pass_is_answered(service):
    service.source.failures = {"first": Permanent(Reason.SOURCE_ARCHIVED), "second": Transient(Reason.CONTENTION)}
    answer = service.event(*keys("first", "second"))
    assert (answer.status_code, answer.json["reason"]) == (503, "contention")


def test_a_message_with_one_malformed_event_changes_nothing(service):
    service.source.put(KEY, b"hello")
    malformed = {"detail-type": "Object Created", "source": "aws.s3"}
    assert service.post("/", pushed([eventbridge(), malformed])).status_code == 400
    assert service.destination.objects == {}


@pytest.mark.parametrize(("attempt", "logged"), [(3, 3), (None, None), ("3", None), (1.5, None), (1e999, None)])
def test_the_line_tells_how_often_the_message_was_delivered(service, caplog, attempt, logged):
    caplog.set_level(logging.INFO, "replicator")
    service.post("/", pushed(eventbridge(), deliveryAttempt=attempt))
    (line,) = caplog.records
    assert line.json_fields.get("delivery_attempt") == logged
    assert (line.json_fields["event_id"], line.json_fields["door"]) == ("e-1", "event")


# --- Probes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/health", "/health/"])
def test_liveness_touches_nothing(service, path):
    assert service.client.get(path).status_code == 200
    assert service.built == 0


def test_readiness_names_each_bucket(service):
    answer = service.client.get("/ready")
    assert (answer.status_code, answer.json) == (
        200,
        {"status": "ready", "checks": {"s3://source": "ok", "gs://replica": "ok"}},
    )


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (Permanent(Reason.SOURCE_ACCESS_DENIED, SECRET), "source_access_denied"),
        (Transient(Reason.SOURCE_UNAVAILABLE), "source_unavailable"),
        (ValueError(SECRET), "unexpected"),
    ],
)
def test_readiness_names_what_cannot_be_used_and_why(service, error, verdict):
    def check(bucket):
        raise error

    service.source.check = check
    answer = service.client.get("/ready")
    assert (answer.status_code, answer.json) == (
        503,
        {"status": "not ready", "checks": {"s3://source": verdict, "gs://replica": "ok"}},
    )
    assert SECRET not in answer.text


def test_without_an_engine_nothing_is_ready(service):
    def engine():
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE)

    client = Client(Request.application(ReplicateDoors(engine)))
    assert client.get("/ready").status_code == 503
    assert client.get("/health").status_code == 200


# --- Other paths and methods ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "status", "reason"),
    [
        ("GET", "/v1/replicate", 405, "method_not_allowed"),
        ("PUT", "/", 405, "method_not_allowed"),
        ("DELETE", "/v1/replicate", 405, "method_not_allowed"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("POST", "/ready", 405, "method_not_allowed"),
        ("GET", "/v2/replicate", 404, "route_unknown"),
        ("POST", "/v1/events", 404, "route_unknown"),
        ("GET", "/.env", 404, "route_unknown"),
    ],
)
def test_other_paths_and_methods_are_refused_without_touching_anything(service, method, path, status, reason):
    answer = service.client.open(path, method=method)
    assert (answer.status_code, answer.json["reason"]) == (status, reason)
    assert service.built == 0


def test_a_trailing_slash_is_the_same_door(service):
    service.source.put(KEY, b"hello")
    assert service.post("/v1/replicate/", {"bucket": "source", "key": "k"}).status_code == 201
