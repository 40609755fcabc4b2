"""The doors of the target `replicate`, over in-memory sides: what each of them answers, and does."""

import logging

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.errors import Permanent, Transient
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.rules import Deletes, Foreign, Rule
from replicator.transfer.reading import MAX_FRUITLESS_READS
from replicator.web.replicate import ReplicateDoors
from replicator.web.requests import MAX_BODY_BYTES
from tests.unit.web.doors import KEY, NAME, SECRET, Service, eventbridge, pushed


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


@pytest.mark.parametrize("fields", [("bucket", "key"), ("s3_bucket", "s3_key"), ("src_bucket", "src_key")])
def test_a_caller_names_an_object_in_any_spelling(service, fields):
    key = SourceKey("source", "a b+c%2F/ü🚀")
    service.source.put(key, b"hello")
    answer = service.post("/v1/replicate", dict(zip(fields, (key.bucket, key.key), strict=True)))
    assert answer.status_code == 201
    assert (answer.json["source"], answer.json["destination"]) == (str(key), f"gs://replica/{key.key}")
    assert service.destination.data(DestinationName("replica", key.key)) == b"hello"


def test_a_caller_may_name_the_destination(service):
    service.source.put(KEY, b"hello")
    body = {"src_bucket": "source", "src_key": "k", "dest_bucket": "replica", "dest_key": "else/where"}
    answer = service.post("/v1/replicate", body)
    assert (answer.status_code, answer.json["destination"]) == (201, "gs://replica/else/where")
    assert set(service.destination.objects) == {DestinationName("replica", "else/where")}


@pytest.mark.parametrize(
    ("source", "destination"), [("source", "other"), ("other", "replica"), ("other", "other"), ("replica", "source")]
)
def test_a_destination_that_no_rule_joins_with_the_source_is_forbidden(service, source, destination):
    service.source.put(KEY, b"hello")
    answer = service.direct(SourceKey(source, "k"), dest_bucket=destination, dest_key="k")
    assert (answer.status_code, answer.json["reason"]) == (403, "bucket_not_in_rules")
    assert (service.source.looked_at, service.destination.writes) == ([], [])


def test_a_named_destination_must_be_one_that_can_be(service):
    answer = service.direct(dest_bucket="replica", dest_key="..")
    assert (answer.status_code, answer.json["reason"]) == (422, "destination_name_invalid")


def test_a_version_is_a_hint_that_is_logged(service, caplog):
    """The current state is replicated: an old version never covers a newer one."""
    caplog.set_level(logging.INFO, "replicator")
    service.source.put(KEY, b"new", version_id="v2")
    answer = service.direct(version_id="v1")
    assert (answer.status_code, answer.json["version_id"]) == (201, "v2")
    assert service.destination.data(NAME) == b"new"
    (line,) = caplog.records
    assert line.json_fields["event_version_id"] == "v1"


@pytest.mark.parametrize(
    ("prepare", "status", "result", "reason"),
    [(prepare, 200 if status == 201 else status, *rest) for prepare, status, *rest in OUTCOMES],
)
def test_a_dry_run_says_what_would_happen_and_writes_nothing(service, prepare, status, result, reason):
    prepare(service)
    before, writes = dict(service.destination.objects), len(service.destination.writes)
    answer = service.direct(dry_run=True)
    assert (answer.status_code, answer.json["result"], answer.json["reason"]) == (status, result, reason)
    assert answer.json["dry_run"] is True
    assert (service.destination.objects, len(service.destination.writes)) == (before, writes)


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=str)
def test_a_dry_run_fails_as_the_run_would(service, error, status):
    service.source.failures["k"] = error
    assert service.direct(dry_run=True).status_code == status


# --- Several destinations ---------------------------------------------------------------------------------------------


@pytest.fixture
def two(service):
    """A second rule sends the same objects to a second bucket."""
    service.destination.buckets.add("second")
    service.more_rules = (Rule("second", frozenset({"source"}), "second"),)
    service.source.put(KEY, b"hello")
    return service


def test_several_destinations_are_answered_together(two):
    answer = two.direct()
    assert (answer.status_code, answer.mimetype) == (201, "application/json")
    assert set(answer.json) == {"source", "outcomes"}
    found = [(each["rule"], each["destination"], each["result"]) for each in answer.json["outcomes"]]
    assert found == [("default", "gs://replica/k", "created"), ("second", "gs://second/k", "created")]
    assert two.direct().status_code == 200


def test_one_that_was_written_makes_the_answer_201(two):
    two.direct()
    del two.destination.objects[NAME]
    answer = two.direct()
    assert answer.status_code == 201
    assert [each["result"] for each in answer.json["outcomes"]] == ["created", "unchanged"]


def test_the_worst_of_several_decides_the_status_and_hides_no_other(two, caplog):
    two.destination.buckets.remove("second")
    answer = two.direct()
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert (answer.json["status"], answer.json["reason"]) == (404, "destination_bucket_not_found")
    first, second = answer.json["outcomes"]
    assert (first["result"], first["destination"]) == ("created", "gs://replica/k")
    assert (second["result"], second["rule"], second["status"]) == ("failed", "second", 404)
    assert [line.json_fields["reason"] for line in caplog.records] == ["destination_bucket_not_found"]
    assert two.destination.data(NAME) == b"hello"


def test_a_failure_that_may_pass_says_when_to_come_back_also_among_several(two):
    two.source.failures["k"] = Transient(Reason.SOURCE_UNAVAILABLE)
    answer = two.direct()
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0


def test_an_event_is_acknowledged_when_all_its_destinations_are_done(two):
    two.destination.buckets.remove("second")
    assert two.event().status_code == 404
    two.destination.buckets.add("second")
    assert two.event().status_code == 204
    assert [name.bucket for name in two.destination.objects] == ["replica", "second"]


def test_a_caller_learns_how_many_attempts_it_took(service):
    service.max_retries = 3
    service.source.put(KEY, b"hello")
    failures = [Transient(Reason.SOURCE_TRUNCATED)] * (2 * MAX_FRUITLESS_READS)

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
    {"bucket": "source", "key": "k", "dest_bucket": "replica"},
    {"bucket": "source", "key": "k", "dry_run": "true"},
    {"bucket": "source", "key": "k", SECRET: SECRET},
    {"bucket": "source", "key": "k", **dict.fromkeys(map(str, range(1000)))},
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


@pytest.mark.parametrize(
    ("attempt", "logged"),
    [(3, 3), (None, None), ("3", None), (1.5, None), (1e999, None), (1e300, None), (0, None), (-1, None)],
)
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
        ("GET", "/v1/replicate:batch", 405, "method_not_allowed"),
        ("POST", "/v1/replicate:other", 404, "route_unknown"),
        ("POST", "/v1/replicate%3Aother", 404, "route_unknown"),
        ("POST", "/v1/object", 405, "method_not_allowed"),
        ("POST", "/openapi.json", 405, "method_not_allowed"),
        ("DELETE", "/docs", 405, "method_not_allowed"),
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
    body = {"bucket": "source", "key": "k"}
    assert service.post("/v1/replicate/", body).status_code == 201
    assert service.post("/v1/replicate:batch/", {"items": [body]}).status_code == 200
    for path in ("/health/", "/ready/", "/openapi.json/", "/docs/", "/docs/docs.js/"):
        assert service.client.get(path).status_code == 200, path


def test_the_root_names_where_the_doors_are_described(service):
    named = service.client.get("/").json
    assert [service.client.get(named[name]).status_code for name in ("openapi", "docs")] == [200, 200]
