"""A bucket's resource, read for the judgements."""

import json
from types import SimpleNamespace

import pytest

from replicator.adapters.gcs import NEEDED_PERMISSIONS
from replicator.adapters.inspection.gcs import look_at
from replicator.doctor.facts import BucketSettings, DestinationFacts, LifecycleRule, Unread
from replicator.errors import Permanent, Transient
from replicator.reasons import Reason

PLAIN = {"location": "EUROPE-WEST1", "storageClass": "STANDARD"}


class Api:
    """Answers with a bucket's resource and permissions, or raises."""

    def __init__(self, resource: object, permissions: object = NEEDED_PERMISSIONS) -> None:
        self.answers = {"fields": resource, "permissions": permissions}

    def bucket_url(self, bucket: str, rest: str) -> str:
        return f"{bucket}{rest}"

    def send(self, _method: str, url: str) -> SimpleNamespace:
        kind = "permissions" if "testPermissions" in url else "fields"
        found = self.answers[kind]
        if isinstance(found, Exception):
            raise found
        document = {"permissions": [*found]} if kind == "permissions" else found
        return SimpleNamespace(data=json.dumps(document).encode())


def settings(**more: object) -> BucketSettings | Unread:
    return look_at(Api({**PLAIN, **more}), "b").settings


def of(**values: object) -> BucketSettings:
    return BucketSettings("EUROPE-WEST1", uniform_access=False, **values)


def deletion(**condition: object) -> dict[str, object]:
    return {"rule": [{"action": {"type": "Delete"}, "condition": condition}]}


@pytest.mark.parametrize(
    ("resource", "read"),
    [
        ({}, of()),
        ({"storageClass": "NEARLINE"}, of(storage_class="NEARLINE")),
        ({"autoclass": {"enabled": True}}, of(autoclass=True)),
        ({"versioning": {"enabled": True}}, of(versioning=True)),
        ({"softDeletePolicy": {"retentionDurationSeconds": "604800"}}, of(soft_delete=604_800)),
        ({"retentionPolicy": {"retentionPeriod": "60"}}, of(retention=60)),
        ({"retentionPolicy": {"retentionPeriod": "60", "isLocked": True}}, of(retention=60, retention_locked=True)),
        ({"defaultEventBasedHold": True}, of(default_hold=True)),
        ({"lifecycle": deletion(age=7, matchesPrefix=["a/"])}, of(deletions=(LifecycleRule(7, ("a/",)),))),
        ({"lifecycle": deletion(age=7)}, of(deletions=(LifecycleRule(7),))),
        ({"lifecycle": deletion(isLive=False)}, of(deletions=(LifecycleRule(noncurrent=True),))),
        ({"lifecycle": deletion(isLive=True, age=1)}, of(deletions=(LifecycleRule(1),))),
        ({"lifecycle": deletion(numNewerVersions=2)}, of(deletions=(LifecycleRule(noncurrent=True),))),
        ({"lifecycle": deletion(daysSinceNoncurrentTime=2)}, of(deletions=(LifecycleRule(noncurrent=True),))),
        ({"lifecycle": {"rule": [{"action": {"type": "SetStorageClass"}, "condition": {"age": 1}}]}}, of()),
    ],
)
def test_each_setting_is_read(resource, read):
    assert settings(**resource) == read


def test_access_is_uniform_where_the_bucket_says_so():
    found = settings(iamConfiguration={"uniformBucketLevelAccess": {"enabled": True}})
    assert found == BucketSettings("EUROPE-WEST1", uniform_access=True)


@pytest.mark.parametrize("resource", [{}, [], {**PLAIN, "lifecycle": {"rule": [{}]}}, {**PLAIN, "autoclass": 1}])
def test_what_is_no_bucket_is_not_taken_for_one(resource):
    assert isinstance(look_at(Api(resource), "b").settings, Unread)


def test_what_is_refused_or_gets_no_answer_is_part_of_the_facts():
    denied, away = Permanent(Reason.DESTINATION_ACCESS_DENIED), Transient(Reason.DESTINATION_UNAVAILABLE)
    assert look_at(Api(denied, denied), "b").settings.permission == "storage.buckets.get"
    assert look_at(Api(away, away), "b").settings.permission is None
    assert look_at(Api(PLAIN, away), "b").missing is away


def test_the_permissions_that_are_missing_are_named():
    found = look_at(Api(PLAIN, ["storage.objects.get"]), "b")
    assert found == DestinationFacts("b", frozenset(NEEDED_PERMISSIONS) - {"storage.objects.get"}, of())
