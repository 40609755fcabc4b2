"""The doors to one destination object, by path and by query."""

from urllib.parse import quote

import pytest

from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from tests.unit.web.doors import KEY, NAME, SECRET, Service

KEYS = [
    *("k", "a/b", "a//b", "/leading", "trailing/", "//", "a%2Fb", "a+b", "a b", "%", "100%25", "日本語", "🚀"),
    *("a?b", "a#b", "a;b=c", "a&b", "a/../b", "a/./b", "<key:key>", "x" * 1024),
]


def by_path(key: str) -> str:
    return f"/v1/object/replica/{quote(key)}"


def by_query(key: str) -> str:
    return f"/v1/object?bucket=replica&key={quote(key, safe='')}"


FORMS = pytest.mark.parametrize("form", [by_path, by_query])


@pytest.fixture
def service():
    service = Service()
    service.source.put(KEY, b"hello")
    service.direct()
    service.built = 0
    return service


@FORMS
def test_an_object_in_sync_says_so_with_its_receipt(service, form):
    answer = service.client.get(form("k"))
    stored = service.destination.objects[NAME].state
    assert (answer.status_code, answer.json) == (
        200,
        {
            "destination": "gs://replica/k",
            "in_sync": True,
            "reason": "in_sync",
            "detail": Reason.IN_SYNC.explanation,
            "generation": str(stored.generation),
            "size": 5,
            "receipt": {
                "source": "s3://source/k",
                "etag": stored.receipt.etag,
                "version_id": None,
                "last_modified": stored.receipt.last_modified.isoformat(),
                "size": 5,
                "checked": "MD5",
            },
        },
    )


def changed(service):
    service.source.put(KEY, b"other")


def metadata_changed(service):
    service.source.put(KEY, b"hello", metadata={"colour": "blue"})


def deleted(service):
    service.source.delete(KEY)


def overwritten(service):
    service.destination.put_foreign(NAME, b"foreign")


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (changed, "source_changed"),
        (metadata_changed, "metadata_changed"),
        (deleted, "source_not_found"),
        (overwritten, "destination_foreign"),
    ],
)
def test_an_object_out_of_sync_says_why(service, prepare, reason):
    prepare(service)
    answer = service.client.get(by_path("k"))
    assert (answer.status_code, answer.json["in_sync"], answer.json["reason"]) == (200, False, reason)
    assert (answer.json["receipt"] is None) == (prepare is overwritten)


@FORMS
def test_a_replica_is_deleted_once(service, form, caplog):
    caplog.set_level("INFO", "replicator")
    generation = service.destination.objects[NAME].state.generation
    answer = service.client.delete(form("k"))
    assert answer.status_code == 200
    assert (answer.json["result"], answer.json["reason"]) == ("deleted", "deleted_on_request")
    assert (answer.json["destination"], answer.json["generation"]) == ("gs://replica/k", str(generation))
    assert service.destination.objects == {}
    assert [line.json_fields["reason"] for line in caplog.records] == ["deleted_on_request"]
    assert service.client.delete(form("k")).status_code == 404


@FORMS
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("key", "status", "reason"),
    [
        ("absent", 404, "destination_not_found"),
        ("..", 422, "destination_name_invalid"),
        (".", 422, "destination_name_invalid"),
        ("a\nb", 422, "destination_name_invalid"),
        ("é" * 513, 422, "destination_name_invalid"),
        (".replicator/part", 422, "destination_name_invalid"),
    ],
)
def test_another_key_is_refused(service, form, method, key, status, reason):
    answer = service.client.open(form(key), method=method)
    assert (answer.status_code, answer.json["reason"]) == (status, reason)
    assert set(service.destination.objects) == {NAME}


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("path", ["/v1/object/other/k", "/v1/object?bucket=other&key=k", "/v1/object/source/k"])
def test_a_bucket_that_no_rule_writes_is_not_looked_at(service, method, path):
    answer = service.client.open(path, method=method)
    assert (answer.status_code, answer.json["reason"]) == (403, "bucket_not_in_rules")


def test_a_foreign_object_is_not_deleted(service):
    service.destination.put_foreign(NAME, b"foreign")
    answer = service.client.delete(by_path("k"))
    assert (answer.status_code, answer.json["reason"]) == (409, "destination_foreign")
    assert service.destination.data(NAME) == b"foreign"


@FORMS
def test_a_replica_is_deleted_only_at_the_generation_that_was_asked_for(service, form):
    generation = service.destination.objects[NAME].state.generation
    path = form("k") + ("&" if "?" in form("k") else "?")
    for other in (0, generation + 1):
        answer = service.client.delete(f"{path}generation={other}")
        assert (answer.status_code, answer.json["reason"]) == (412, "destination_moved")
    assert set(service.destination.objects) == {NAME}
    assert service.client.delete(f"{path}generation={generation}").status_code == 200


def test_a_replica_that_moves_while_it_is_deleted_stays(service):
    def moved(current):
        raise DestinationMoved

    service.destination.delete = moved
    assert service.client.delete(by_path("k")).status_code == 412
    assert set(service.destination.objects) == {NAME}


@FORMS
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_the_one_that_was_asked_for(service, form, method, key):
    """Beside it are those that it could be taken for."""
    others = {key.strip("/"), key.rstrip("/"), key.replace("//", "/"), key.replace("+", " "), key.replace("%2F", "/")}
    for name in {key, *others, key.partition("?")[0], key.partition("#")[0], "b"} - {""}:
        service.source.put(SourceKey("source", name), name.encode())
        service.direct(SourceKey("source", name))
    before = set(service.destination.objects)
    answer = service.client.open(form(key), method=method)
    assert (answer.status_code, answer.json["destination"]) == (200, f"gs://replica/{key}")
    gone = {DestinationName("replica", key)} if method == "DELETE" else set()
    assert before - set(service.destination.objects) == gone


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/object/replica", 404),
        ("/v1/object/replica/", 404),
        ("/v1/object//k", 404),
        ("/v1/object", 400),
        ("/v1/object/", 400),
        ("/v1/object/replica/k?key=other", 400),
        ("/v1/object?bucket=replica&key=%ff", 400),
    ],
)
def test_what_names_no_object_is_an_error(service, method, path, status):
    answer = service.client.open(path, method=method)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert set(service.destination.objects) == {NAME}
    assert service.built == 0


def test_the_query_form_may_end_in_a_slash(service):
    assert service.client.get("/v1/object/?bucket=replica&key=k").status_code == 200


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Permanent(Reason.DESTINATION_ACCESS_DENIED), 403),
        (Transient(Reason.DESTINATION_UNAVAILABLE), 503),
        (ValueError(SECRET), 500),
    ],
)
def test_an_error_has_its_status_and_one_line(service, caplog, method, error, status):
    def fail(name):
        raise error

    service.destination.stat = fail
    answer = service.client.open(by_path("k"), method=method)
    assert answer.status_code == status
    [line] = caplog.records
    assert SECRET not in f"{answer.text} {line.getMessage()} {line.json_fields}"


@pytest.mark.parametrize("path", ["/v1/object/replica/k", "/v1/object?bucket=replica&key=k"])
def test_a_head_is_a_get_without_a_body(service, path):
    answer = service.client.head(path)
    assert (answer.status_code, answer.data) == (200, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(service, method):
    answer = service.client.open(by_path("k"), method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET, HEAD")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_path_that_is_not_utf_8_names_no_object(service, method):
    answer = service.client.open(method=method, environ_overrides={"PATH_INFO": "/v1/object/replica/k\xff"})
    assert (answer.status_code, answer.json["reason"]) == (400, "request_malformed")
    assert service.built == 0
