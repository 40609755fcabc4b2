"""What a bucket is like is read out of its resource, and kept for some minutes."""

import json

import pytest

from replicator.adapters.gcs_facts import FRESH_SECONDS, KeptFacts, bucket_facts
from replicator.errors import Permanent, Transient
from replicator.model import BucketFacts
from replicator.reasons import Reason


@pytest.mark.parametrize(
    ("resource", "facts"),
    [
        ({"storageClass": "STANDARD"}, BucketFacts("STANDARD")),
        ({"storageClass": "NEARLINE"}, BucketFacts("NEARLINE")),
        ({"storageClass": "NEARLINE", "autoclass": {"enabled": True}}, BucketFacts("STANDARD")),
        ({"storageClass": "NEARLINE", "autoclass": {"enabled": False}}, BucketFacts("NEARLINE")),
        ({"storageClass": "STANDARD", "versioning": {"enabled": True}}, BucketFacts("STANDARD", versioning=True)),
        ({"storageClass": "STANDARD", "versioning": {"enabled": False}}, BucketFacts("STANDARD")),
        ({"storageClass": "STANDARD", "versioning": {}}, BucketFacts("STANDARD")),
        (
            {"storageClass": "STANDARD", "retentionPolicy": {"retentionPeriod": "1"}},
            BucketFacts("STANDARD", retains=True),
        ),
        ({"storageClass": "STANDARD", "defaultEventBasedHold": True}, BucketFacts("STANDARD", retains=True)),
        ({"storageClass": "STANDARD", "defaultEventBasedHold": False}, BucketFacts("STANDARD")),
    ],
)
def test_the_facts_are_in_the_bucket_s_resource(resource, facts):
    assert bucket_facts(json.dumps(resource).encode()) == facts


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[]", b"{}", b"7", b'{"storageClass": "X", "autoclass": 7}', b"\xff"]
)
def test_an_answer_that_is_no_bucket_is_transient(body):
    with pytest.raises(Transient) as garbled:
        bucket_facts(body)
    assert garbled.value.reason is Reason.DESTINATION_UNAVAILABLE


class Buckets:
    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []
        self.answers: dict[str, BucketFacts | Exception | None] = {}
        self.kept = KeptFacts(self.read, lambda: self.now)

    def read(self, bucket: str) -> BucketFacts | None:
        self.asked.append(bucket)
        answer = self.answers[bucket]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def buckets() -> Buckets:
    return Buckets()


@pytest.mark.parametrize("answer", [BucketFacts("STANDARD"), None], ids=["known", "not allowed to look"])
def test_an_answer_is_kept_for_some_minutes(buckets, answer):
    buckets.answers["a"] = answer
    assert [buckets.kept.of("a") for _ in range(3)] == [answer] * 3
    buckets.now = FRESH_SECONDS - 1
    buckets.kept.of("a")
    assert buckets.asked == ["a"]
    buckets.now = FRESH_SECONDS
    buckets.answers["a"] = BucketFacts("NEARLINE")
    assert buckets.kept.of("a") == BucketFacts("NEARLINE")
    assert buckets.asked == ["a", "a"]


def test_buckets_are_told_apart(buckets):
    buckets.answers |= {"a": BucketFacts("STANDARD"), "b": BucketFacts("ARCHIVE")}
    assert [buckets.kept.of(name).storage_class for name in ("a", "b", "a")] == ["STANDARD", "ARCHIVE", "STANDARD"]


@pytest.mark.parametrize(
    "error", [Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND), Transient(Reason.DESTINATION_UNAVAILABLE)]
)
def test_a_failure_is_not_kept(buckets, error):
    buckets.answers["a"] = error
    with pytest.raises(type(error)):
        buckets.kept.of("a")
    buckets.answers["a"] = BucketFacts("STANDARD")
    assert buckets.kept.of("a") == BucketFacts("STANDARD")
