"""Every event of `tests/events` at the doors: what becomes of the objects it is about, and when it is acknowledged."""

import base64
import json
from pathlib import Path

import pytest

from replicator.errors import Permanent, Transient
from replicator.events import parse
from replicator.model import Change, SourceKey
from replicator.reasons import Reason
from replicator.rules import Rule
from tests.unit.web.doors import Service

EVENTS = Path(__file__).parents[2] / "events"
BODIES = {path.relative_to(EVENTS).with_suffix("").as_posix(): path.read_bytes() for path in EVENTS.rglob("*.json")}
BUCKETS = frozenset({"amzn-s3-demo-bucket", "amzn-s3-demo-bucket1"})
PUSHED = [name for name in BODIES if name.startswith("pubsub/")]

CLOUD_EVENT = {
    "ce-id": "1",
    "ce-specversion": "1.0",
    "ce-type": "google.cloud.pubsub.topic.v1.messagePublished",
    "ce-source": "//pubsub.googleapis.com/projects/p/topics/t",
    "ce-time": "2026-01-01T00:00:00Z",
}
PUBSUB_METADATA = {
    "x-goog-pubsub-subscription-name": "projects/p/subscriptions/s",
    "x-goog-pubsub-message-id": "2070443601311540",
    "x-goog-pubsub-publish-time": "2026-01-01T00:00:00.749Z",
    "x-goog-pubsub-ordering-key": "key",
    "bucket": "an-attribute",
}


@pytest.fixture
def service():
    service = Service()
    service.source.buckets |= BUCKETS
    service.destination.buckets.add("events")
    service.more_rules = tuple(
        Rule(bucket, frozenset({bucket}), "events", destination_prefix=f"{bucket}/") for bucket in sorted(BUCKETS)
    )
    return service


def changed_keys(name: str) -> list[SourceKey]:
    return list(dict.fromkeys(notice.source for notice in parse(BODIES[name]) if isinstance(notice, Change)))


def put(service: Service, keys: list[SourceKey]) -> None:
    for key in keys:
        service.source.put(key, key.key.encode())


def post(service: Service, path: str, name: str, headers: dict[str, str] | None = None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    return service.client.post(path, data=BODIES[name], headers=headers)


def replicated(service: Service) -> set[SourceKey]:
    return {SourceKey(*name.name.split("/", 1)) for name in service.destination.objects}


def test_the_events_were_found():
    assert len(BODIES) > 60
    assert any(len(changed_keys(name)) > 1 for name in BODIES)
    assert any(not changed_keys(name) for name in BODIES)


@pytest.mark.parametrize("path", ["/", "/v1/replicate", "/v1/replicate/"])
@pytest.mark.parametrize("name", BODIES)
def test_each_shape_is_followed_and_then_unchanged(service, caplog, path, name):
    caplog.set_level("INFO", "replicator")
    keys = changed_keys(name)
    put(service, keys)
    assert post(service, path, name).status_code == 204
    assert replicated(service) == set(keys)
    done = list(service.destination.writes)
    caplog.clear()
    assert post(service, path, name).status_code == 204
    assert service.destination.writes == done
    reasons = {line.json_fields["reason"] for line in caplog.records}
    assert reasons <= {"in_sync", "event_type_ignored", "test_event"}


@pytest.mark.parametrize("name", [name for name in BODIES if not changed_keys(name)])
def test_what_asks_for_nothing_is_acknowledged_with_the_reason(service, caplog, name):
    caplog.set_level("INFO", "replicator")
    assert post(service, "/", name).status_code == 204
    assert (service.source.looked_at, service.built) == ([], 0)
    fields = [line.json_fields for line in caplog.records]
    assert {(line["result"], line["reason"]) for line in fields} <= {
        ("ignored", "event_type_ignored"),
        ("ignored", "test_event"),
    }
    assert all(line["event"] for line in fields)


@pytest.mark.parametrize("error", [Permanent(Reason.SOURCE_ARCHIVED), Transient(Reason.SOURCE_UNAVAILABLE), KeyError()])
@pytest.mark.parametrize("name", [name for name in BODIES if changed_keys(name)])
def test_a_message_is_acknowledged_only_if_all_of_it_is_done(service, name, error):
    keys = changed_keys(name)
    put(service, keys)
    for failing in keys:
        service.source.failures = {failing.key: error}
        assert post(service, "/", name).status_code in (422, 500, 503)
    assert replicated(service) == {key for key in keys for failing in keys if failing.key != key.key}
    service.source.failures = {}
    assert post(service, "/", name).status_code == 204
    assert replicated(service) == set(keys)
    assert len(service.destination.writes) == len(keys)


@pytest.mark.parametrize("name", PUSHED)
@pytest.mark.parametrize("headers", [{}, PUBSUB_METADATA, CLOUD_EVENT], ids=["bare", "metadata", "cloudevent"])
def test_a_pubsub_message_is_read_with_its_wrapper_and_without(service, name, headers):
    """Unwrapped, the body is the data, and what else there is to a message comes in headers, which are not read."""
    keys = changed_keys(name)
    put(service, keys)
    unwrapped = service.client.post("/", data=_data(name), headers=headers)
    assert unwrapped.status_code == 204
    assert replicated(service) == set(keys)
    assert post(service, "/", name, headers).status_code == 204
    assert len(service.destination.writes) == len(keys)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "application/cloudevents+json", "", "x/y"])
@pytest.mark.parametrize("name", ["eventarc/structured", "eventbridge/array", "pubsub/eventbridge", "sns/notification"])
def test_the_content_type_does_not_matter(service, name, content_type):
    keys = changed_keys(name)
    put(service, keys)
    assert post(service, "/", name, {"Content-Type": content_type}).status_code == 204
    assert replicated(service) == set(keys)


@pytest.mark.parametrize("name", ["eventbridge/object-created", "notification/object-created", "eventarc/structured"])
def test_what_is_not_whole_is_left_for_the_dead_letter_topic(service, name):
    put(service, changed_keys(name))
    for cut in range(0, len(BODIES[name]) - 2, 97):
        answer = service.client.post("/", data=BODIES[name][:cut])
        assert (answer.status_code, answer.json["reason"]) == (400, "event_malformed")
    assert service.destination.writes == []


def _data(name: str) -> bytes:
    return base64.b64decode(json.loads(BODIES[name])["message"]["data"])
