"""The storm's verdict can fail: each way in which a side may be wrong is seen, and told apart."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from random import Random

import pytest

from tests.proof.storm.traffic import Sent, Step, make_traffic, shuffled
from tests.proof.storm.verdict import Expected, differences, source_state, temporaries, wrong_dead_letters
from tests.servers import moto
from tests.service.conftest import REPLICA, SOURCE, Service, serving

A, B = Step("a", 5, content=1), Step("b", 5, content=2)


@pytest.fixture
def equal() -> Iterator[Service]:
    """A service that has replicated two objects."""
    with moto() as s3_url, serving(s3_url) as service:
        for step in (A, B):
            service.put(step.key, step.data)
            assert service.replicate(step.key).status_code == 201
        yield service


def verdict(service: Service, last: dict[str, Step] | None = None) -> list[str]:
    return differences(source(service, last), service.storage.url, REPLICA)


def source(service: Service, last: dict[str, Step] | None = None) -> dict[str, Expected]:
    return source_state(service.s3.meta.endpoint_url, {"a": A, "b": B} | (last or {}))


def test_equal_sides_have_no_differences(equal):
    assert verdict(equal) == []


def test_what_is_deleted_or_new_in_the_source_alone_is_seen(equal):
    equal.delete("a")
    equal.put("c", Step("c", 1).data)
    assert verdict(equal, {"a": Step("a", None), "c": Step("c", 1)}) == [
        "a: is there without a source",
        "c: is missing",
    ]


def test_an_older_state_is_seen_by_its_receipt_and_by_its_bytes(equal):
    newer = Step("a", 5, content=3)
    equal.put("a", newer.data)
    assert verdict(equal, {"a": newer}) == ["a: has the receipt of another state", "a: has other bytes"]


def test_right_bytes_without_a_receipt_and_a_receipt_over_wrong_bytes_are_seen(equal):
    for key, data, metadata in (
        ("a", A.data, None),
        ("b", A.data, equal.resource("b")["metadata"]),
    ):
        url = f"{equal.storage.url}/upload/storage/v1/b/{REPLICA}/o?uploadType=media&name={key}"
        assert equal.http.post(url, data=data, timeout=60).status_code == 200
        if metadata:
            url = f"{equal.storage.url}/storage/v1/b/{REPLICA}/o/{key}"
            assert equal.http.patch(url, json={"metadata": metadata}, timeout=60).status_code == 200
    assert verdict(equal) == ["a: has no receipt", "b: has other bytes"]


def test_temporary_objects_are_counted_and_are_no_difference(equal):
    url = f"{equal.storage.url}/upload/storage/v1/b/{REPLICA}/o?uploadType=media&name=.replicator/parts/x"
    assert temporaries(equal.storage.url, REPLICA) == 0
    assert equal.http.post(url, data=b"x", timeout=60).status_code == 200
    assert (verdict(equal), temporaries(equal.storage.url, REPLICA)) == ([], 1)


def test_a_source_that_is_not_what_was_written_is_no_measure(equal):
    equal.s3.put_object(Bucket=SOURCE, Key="a", Body=b"somebody else's")
    with pytest.raises(AssertionError):
        source(equal)


def test_poison_that_is_missing_or_there_twice_and_what_is_no_poison_are_seen():
    poison = [Sent(b"", "one", poison=True), Sent(b"", "two", poison=True)]
    assert wrong_dead_letters(Counter(["one", "two"]), poison) == []
    assert wrong_dead_letters(Counter(["one"]), poison) == ["two: of 1, 0 are dead letters"]
    assert wrong_dead_letters(Counter(["one", "two", "two", "a"]), poison) == ["two: 1 too many", "a: 1 too many"]


def test_the_same_seed_makes_the_same_traffic_and_another_another():
    assert make_traffic(1, 50, 1, 0, 9) == make_traffic(1, 50, 1, 0, 9) != make_traffic(2, 50, 1, 0, 9)


def test_events_are_shuffled_some_are_doubled_and_none_is_lost():
    events = [Sent(b"", str(number)) for number in range(1000)]
    arrived = list(shuffled(iter(events), Random(1), window=200, duplicates=0.1))
    assert set(arrived) == set(events)
    assert 1050 < len(arrived) < 1150
    assert sum(int(a.about) > int(b.about) for a, b in pairwise(arrived)) > 300


def test_a_history_has_overwrites_deletions_and_re_creations():
    traffic = make_traffic(1, 1000, 0, 0, 9)
    kinds = Counter[str]()
    before: dict[str, Step] = {}
    for step in traffic.steps:
        was = before.get(step.key)
        kinds["delete" if step.size is None else "create" if not was else "overwrite" if was.size else "again"] += 1
        before[step.key] = step
    assert min(kinds[kind] for kind in ("create", "overwrite", "delete", "again")) > 40
    assert before == traffic.last
