"""Several rules, several destinations: each stands on its own, and what is not replicated is explained."""

import pytest

from replicator.dev.cloud_storage import Answer, Fault
from replicator.rules import parse_rules
from tests.service.conftest import REPLICA, SOURCE, serving
from tests.service.envelopes import eventbridge, push

SECOND = "second-bucket"

BOTH = f"""
rules:
  - id: replica
    source: {{bucket: {SOURCE}, prefix: in/}}
    destination: {{bucket: {REPLICA}, prefix: out/2026/}}
    deletes: propagate
  - id: second
    source: {{bucket: {SOURCE}, prefix: in/}}
    filter: {{suffix: .txt}}
    destination: {{bucket: {SECOND}}}
"""


def create_second_bucket(service):
    service.http.post(f"{service.storage.url}/storage/v1/b", json={"name": SECOND}, timeout=60).raise_for_status()


def outcomes(response) -> dict[str, tuple]:
    """Rule, and result or reason, by destination."""
    document = response.json()
    return {
        found["destination"]: (found["rule"], found.get("result"), found["reason"])
        for found in document.get("outcomes", [document])
    }


def uploads(service, bucket: str) -> int:
    """How many requests tried to write the bytes of an object to a bucket."""
    return service.storage.requests.count("POST", f"/upload/storage/v1/b/{bucket}/")


@pytest.fixture
def service(s3_url):
    with serving(s3_url, rules=parse_rules(BOTH)) as running:
        yield running


def test_one_key_goes_to_every_destination_under_its_own_name(service):
    create_second_bucket(service)
    service.put("in/a.txt", b"hello")
    response = service.replicate("in/a.txt")
    assert response.status_code == 201
    assert outcomes(response) == {
        f"gs://{REPLICA}/out/2026/a.txt": ("replica", "created", "destination_absent"),
        f"gs://{SECOND}/in/a.txt": ("second", "created", "destination_absent"),
    }
    assert service.visible("out/2026/a.txt") == b"hello"
    service.put("in/b.jpg", b"picture")
    assert outcomes(service.replicate("in/b.jpg")) == {
        f"gs://{REPLICA}/out/2026/b.jpg": ("replica", "created", "destination_absent")
    }


def test_deletes_follow_the_rule_of_each_destination(service):
    create_second_bucket(service)
    service.put("in/a.txt", b"hello")
    assert service.push(push(eventbridge("in/a.txt"))).status_code == 204
    service.delete("in/a.txt")
    assert outcomes(service.replicate("in/a.txt")) == {
        f"gs://{REPLICA}/out/2026/a.txt": ("replica", "deleted", "source_deleted"),
        f"gs://{SECOND}/in/a.txt": ("second", "kept", "deletes_ignored"),
    }


def test_a_missing_destination_bucket_holds_up_no_other_and_redelivery_does_only_what_is_left(service):
    service.put("in/a.txt", b"hello")
    event = push(eventbridge("in/a.txt"))
    first = service.push(event)
    assert (first.status_code, first.json()["reason"]) == (404, "destination_bucket_not_found")
    assert service.visible("out/2026/a.txt") == b"hello"
    create_second_bucket(service)
    service.storage.requests.clear()
    assert service.push(event).status_code == 204
    assert uploads(service, SECOND) == 1
    assert service.writes("out/2026/a.txt") == service.writes(REPLICA) == 0
    service.storage.requests.clear()
    assert service.push(event).status_code == 204
    assert service.writes() == 0


def test_a_denied_destination_is_a_failure_of_its_own(service):
    create_second_bucket(service)
    service.put("in/a.txt", b"hello")
    service.storage.faults.add(Fault(Answer(403), path=f"/b/{SECOND}/", times=None))
    response = service.replicate("in/a.txt")
    assert (response.status_code, response.json()["reason"]) == (403, "destination_access_denied")
    assert outcomes(response)[f"gs://{REPLICA}/out/2026/a.txt"] == ("replica", "created", "destination_absent")
    service.storage.faults.clear()
    assert outcomes(service.replicate("in/a.txt")) == {
        f"gs://{REPLICA}/out/2026/a.txt": ("replica", "unchanged", "in_sync"),
        f"gs://{SECOND}/in/a.txt": ("second", "created", "destination_absent"),
    }


FILTERED = f"""
- id: pictures
  source: {{bucket: {SOURCE}, prefix: pictures/}}
  filter: {{suffix: .jpg, glob: "pictures/**/p*.jpg", min_size: 3, max_size: 1 KiB}}
  destination: {{bucket: {REPLICA}}}
"""


@pytest.mark.parametrize(
    ("key", "data", "result", "reason"),
    [
        ("pictures/p.jpg", b"123", "created", "destination_absent"),
        ("pictures/a/b/p1.jpg", b"x" * 1024, "created", "destination_absent"),
        ("other/p.jpg", b"123", "ignored", "filtered_by_prefix"),
        ("pictures/p.png", b"123", "ignored", "filtered_by_suffix"),
        ("pictures/q.jpg", b"123", "ignored", "filtered_by_glob"),
        ("pictures/p.jpg", b"12", "ignored", "filtered_by_size"),
        ("pictures/p.jpg", b"x" * 1025, "ignored", "filtered_by_size"),
    ],
)
def test_what_a_filter_keeps_back_is_explained_and_acknowledged(s3_url, key, data, result, reason):
    with serving(s3_url, rules=parse_rules(FILTERED)) as service:
        service.put(key, data)
        assert service.push(push(eventbridge(key))).status_code == 204
        assert service.writes() == (result == "created")
        answer = service.replicate(key).json()
        assert (answer["result"], answer["reason"]) == (
            ("unchanged", "in_sync") if result == "created" else (result, reason)
        )


def test_a_replica_stays_when_its_object_stops_passing_the_filter(s3_url):
    with serving(s3_url, rules=parse_rules(FILTERED)) as service:
        service.put("pictures/p.jpg", b"123")
        service.replicate("pictures/p.jpg")
        service.put("pictures/p.jpg", b"12")
        assert service.replicate("pictures/p.jpg").json()["reason"] == "filtered_by_size"
        assert service.visible("pictures/p.jpg") == b"123"


PRIORITIES = f"""
- {{id: others, source: {{bucket: {SOURCE}}}, destination: {{bucket: {REPLICA}}}}}
- id: large
  priority: 1
  source: {{bucket: {SOURCE}}}
  filter: {{min_size: 1 KiB}}
  destination: {{bucket: {REPLICA}}}
  deletes: propagate
"""


def test_of_two_rules_for_one_name_the_higher_whose_filter_the_object_passes_applies(s3_url):
    with serving(s3_url, rules=parse_rules(PRIORITIES)) as service:
        service.put("small", b"x")
        service.put("large", b"x" * 1024)
        assert [service.replicate(key).json()["rule"] for key in ("small", "large")] == ["others", "large"]
        service.delete("small")  # what is gone has no size, and the rule "others" keeps replicas
        answer = service.replicate("small").json()
        assert (answer["rule"], answer["result"], answer["status"]) == ("others", "kept", 404)


UNTOLD = f"""
- id: one
  source: {{bucket: {SOURCE}, prefix: one/}}
  filter: {{glob: "**"}}
  destination: {{bucket: {REPLICA}, prefix: ""}}
  deletes: propagate
- id: two
  source: {{bucket: {SOURCE}, prefix: two/}}
  destination: {{bucket: {REPLICA}, prefix: ""}}
  deletes: propagate
"""


@pytest.mark.parametrize(("first", "second"), [("one/k", "two/k"), ("two/k", "one/k")])
def test_a_conflict_that_start_could_not_tell_is_refused_for_whoever_comes_second(s3_url, first, second):
    with serving(s3_url, rules=parse_rules(UNTOLD)) as service:
        service.put(first, b"first")
        service.put(second, b"second")
        assert service.replicate(first).status_code == 201
        for _ in range(2):
            refused = service.replicate(second)
            assert (refused.status_code, refused.json()["reason"]) == (422, "destination_conflict")
            assert service.push(push(eventbridge(second))).status_code == 422
            assert service.replicate(first).json()["reason"] == "in_sync"
        service.put(first, b"first again")
        assert service.replicate(first).json()["result"] == "updated"
        assert service.visible("k") == b"first again"
        service.delete(first)
        assert service.replicate(first).json()["result"] == "deleted"
        assert service.replicate(second).status_code == 201
        assert service.visible("k") == b"second"
        written = [served for served in service.storage.requests if served.method == "POST" and served.status == 200]
        assert len(written) == 3


def test_a_key_that_several_rules_keep_back_for_different_reasons_is_told_so(s3_url):
    with serving(s3_url, rules=parse_rules(UNTOLD.replace("id: two", "id: two\n  status: disabled"))) as service:
        service.put("two/k", b"second")
        answer = service.replicate("two/k").json()
        assert (answer["result"], answer["reason"]) == ("ignored", "no_rule_matches")
        assert service.writes() == 0
