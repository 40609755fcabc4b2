import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from replicator.dev.events import build_event, event_of
from replicator.dev.writes import Created, Deleted, Tagged
from replicator.events import parse
from replicator.model import Change, SourceKey

FIXTURES = Path(__file__).parents[2] / "events" / "eventbridge"

CREATED = Created(
    "amzn-s3-demo-bucket1",
    "example-key",
    "PutObject",
    5,
    "b1946ac92492d2347c6235b4d2611184",
    "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    "N4N7GDK58NMKJ12R",
)
VERSION = "1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF"
MARKED = Deleted("amzn-s3-demo-bucket1", "example-key", True, VERSION, "N4N7GDK58NMKJ12R")
REMOVED = Deleted("amzn-s3-demo-bucket1", "example-key", False, VERSION, "N4N7GDK58NMKJ12R")
TAGGED, UNTAGGED = (
    Tagged(CREATED.bucket, CREATED.key, added, CREATED.etag, CREATED.version_id, CREATED.request_id)
    for added in (True, False)
)

OUR_OWN = ("account", "region")
OUR_OWN_DETAILS = ("requester", "source-ip-address")


def without_what_is_ours(event):
    detail = {name: value for name, value in event["detail"].items() if name not in OUR_OWN_DETAILS}
    return {name: value for name, value in event.items() if name not in OUR_OWN} | {"detail": detail}


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (CREATED, "object-created.json"),
        (MARKED, "object-deleted-marker.json"),
        (REMOVED, "object-deleted-permanent.json"),
        (TAGGED, "object-tags-added.json"),
        (UNTAGGED, "object-tags-deleted.json"),
    ],
)
def test_an_event_is_what_s3_sends(write, name):
    real = json.loads((FIXTURES / name).read_text())
    at = datetime.fromisoformat(real["time"])
    ours = build_event(write, real["id"], at, real["detail"]["object"].get("sequencer", "1"))
    assert without_what_is_ours(ours) == without_what_is_ours(real)
    assert ours.keys() == real.keys()
    assert ours["detail"].keys() == real["detail"].keys()


def test_a_bucket_without_versions_has_none_in_its_events():
    created = build_event(
        Created("b", "k", "CopyObject", 1, "e", None, "r"), "id", datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "1"
    )
    deleted = build_event(Deleted("b", "k", False, None, "r"), "id", datetime(2026, 1, 2, tzinfo=UTC), "1")
    assert created["detail"]["object"] == {"key": "k", "size": 1, "etag": "e", "sequencer": "1"}
    assert created["detail"]["reason"] == "CopyObject"
    assert created["time"] == "2026-01-02T03:04:05Z"
    assert deleted["detail"]["object"] == {"key": "k", "sequencer": "1"}


@pytest.mark.parametrize("key", ["plain", "a b", "a+b", "100%", "%41", "ünï", "🦊"])
def test_the_replicator_reads_the_key_that_was_written(key):
    event = json.dumps(event_of(Created("b", key, "PutObject", 1, "e", None, "r"))).encode()
    (change,) = parse(event)
    assert isinstance(change, Change)
    assert change.source == SourceKey("b", key)


def test_each_event_has_its_own_id_and_a_later_sequencer():
    first, second = event_of(CREATED), event_of(CREATED)
    assert first["id"] != second["id"]
    assert first["detail"]["object"]["sequencer"] <= second["detail"]["object"]["sequencer"]
