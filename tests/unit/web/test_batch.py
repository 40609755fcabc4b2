"""The door for several objects: each item has its own result, and none hides another."""

import threading

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request

from replicator.errors import Permanent, Transient
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.rules import Rule
from replicator.web.batch import WORKERS
from replicator.web.replicate import ReplicateDoors
from replicator.web.requests import MAX_BATCH_ITEMS
from tests.unit.web.doors import SECRET, Service


@pytest.fixture
def service():
    return Service()


def item(key: str, **fields: object) -> dict:
    return {"bucket": "source", "key": key, **fields}


def put(service: Service, *keys: str) -> None:
    for key in keys:
        service.source.put(SourceKey("source", key), key.encode())


def test_each_item_has_its_result_in_its_place(service):
    put(service, "a", "b")
    service.direct(SourceKey("source", "b"))
    answer = service.batch(item("a"), item("b"), item("absent"), {"bucket": "other", "key": "k"})
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    found = [(each["status"], each["result"], each["reason"]) for each in answer.json["items"]]
    assert found == [
        (201, "created", "destination_absent"),
        (200, "unchanged", "in_sync"),
        (404, "unchanged", "source_not_found"),
        (403, "ignored", "bucket_not_in_rules"),
    ]
    assert answer.json["items"][0]["source"] == "s3://source/a"


FAILURES = [
    (Permanent(Reason.SOURCE_ARCHIVED), 422, "source_archived"),
    (Transient(Reason.SOURCE_UNAVAILABLE), 503, "source_unavailable"),
    (ValueError(SECRET), 500, "unexpected"),
]


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(("error", "status", "reason"), FAILURES)
def test_an_item_that_fails_hides_no_other(service, caplog, place, error, status, reason):
    keys = ["a", "b", "c"]
    put(service, *keys)
    service.source.failures[keys[place]] = error
    answer = service.batch(*map(item, keys))
    assert answer.status_code == 200
    statuses = [each["status"] for each in answer.json["items"]]
    assert statuses == [status if number == place else 201 for number in range(3)]
    assert answer.json["items"][place]["reason"] == reason
    assert SECRET not in answer.text
    assert len(service.destination.objects) == 2
    assert [line.json_fields["reason"] for line in caplog.records] == [reason]


@pytest.mark.parametrize(
    "malformed",
    [None, 17, "text", [], {}, {"key": "k"}, item("k", bucket=SECRET, s3_bucket=SECRET), item("k", dest_key="x")],
)
def test_a_malformed_item_hides_no_other_and_is_not_repeated(service, malformed):
    put(service, "a", "c")
    answer = service.batch(item("a"), malformed, item("c"))
    assert answer.status_code == 200
    assert [each["status"] for each in answer.json["items"]] == [201, 400, 201]
    assert answer.json["items"][1]["reason"] == "request_malformed"
    assert SECRET not in answer.text


def test_an_event_is_no_item(service):
    event = {"detail-type": "Object Created", "source": "aws.s3"}
    assert service.batch(event).json["items"][0]["status"] == 400


def test_as_many_items_as_allowed_and_no_more(service):
    keys = [f"k{number}" for number in range(MAX_BATCH_ITEMS)]
    put(service, *keys)
    answer = service.batch(*map(item, keys))
    assert [each["source"] for each in answer.json["items"]] == [f"s3://source/{key}" for key in keys]
    assert len(service.destination.objects) == MAX_BATCH_ITEMS
    refused = service.batch(*[item("k")] * (MAX_BATCH_ITEMS + 1))
    assert (refused.status_code, refused.json["reason"]) == (400, "request_malformed")
    assert service.batch().status_code == 400


def test_the_same_object_twice_is_written_once(service):
    put(service, "a")
    answer = service.batch(*[item("a")] * 8)
    assert {each["status"] for each in answer.json["items"]} <= {200, 201}
    assert service.destination.writes == ["write"]


def test_four_are_replicated_at_once(service):
    """Each read waits until four have begun: with fewer at once, none would ever go on."""
    assert WORKERS == 4
    keys = [f"k{number}" for number in range(4)]
    put(service, *keys)
    together = threading.Barrier(4, timeout=10)
    service.source.on_read = lambda offset: together.wait() if not together.broken else None
    answer = service.batch(*map(item, keys))
    assert [each["status"] for each in answer.json["items"]] == [201] * WORKERS


def test_all_items_share_one_deadline(service):
    put(service, "a", "b")
    deadlines = []

    class Spy:
        def __init__(self, engine):
            self._engine = engine

        def new_deadline(self):
            deadlines.append(self._engine.new_deadline())
            return deadlines[-1]

        def __getattr__(self, name):
            return getattr(self._engine, name)

    client = Client(Request.application(ReplicateDoors(lambda: Spy(service._engine()))))
    answer = client.post("/v1/replicate:batch", json={"items": [item("a")] + [item("b")] * 20})
    assert answer.status_code == 200
    assert len(deadlines) == 1


def test_out_of_time_is_each_items_own_answer(service):
    put(service, "a", "b")
    service.deadline_seconds = 0
    answer = service.batch(item("a"), item("b"))
    assert answer.status_code == 200
    assert [(each["status"], each["reason"]) for each in answer.json["items"]] == [(503, "out_of_time")] * 2


def test_items_may_be_dry_runs_and_name_destinations(service):
    put(service, "a")
    answer = service.batch(item("a", dry_run=True), item("a", dest_bucket="replica", dest_key="elsewhere"))
    first, second = answer.json["items"]
    assert (first["status"], first["result"], first["dry_run"]) == (200, "created", True)
    assert (second["status"], second["destination"]) == (201, "gs://replica/elsewhere")
    assert set(service.destination.objects) == {DestinationName("replica", "elsewhere")}


def test_an_item_with_several_destinations_holds_them_all(service):
    service.more_rules = (Rule("copy", frozenset({"source"}), "replica", destination_prefix="copy/"),)
    put(service, "a")
    [found] = service.batch(item("a")).json["items"]
    assert (found["status"], len(found["outcomes"])) == (201, 2)


def test_without_an_engine_each_item_says_so():
    def engine():
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE)

    client = Client(Request.application(ReplicateDoors(engine)))
    answer = client.post("/v1/replicate:batch", json={"items": [item("a"), item("b")]})
    assert (answer.status_code, [each["status"] for each in answer.json["items"]]) == (200, [503, 503])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"items": 17}', b"[]"])
def test_a_batch_that_is_not_understood_is_malformed_as_a_whole(service, body):
    answer = service.post("/v1/replicate:batch", body)
    assert (answer.status_code, answer.json["reason"]) == (400, "request_malformed")
    assert service.built == 0
