"""A bucket that keeps versions keeps what was replaced or deleted, until that generation itself is deleted."""

from collections.abc import Iterator

import pytest

from replicator.dev.cloud_storage import CloudStorageServer
from tests.contract.cloud_storage_endpoint import Endpoint


@pytest.fixture
def gcs() -> Iterator[Endpoint]:
    with CloudStorageServer() as server:
        server.create_bucket("bucket", versioning={"enabled": True})
        endpoint = Endpoint(server.url, "bucket")
        yield endpoint
        endpoint.session.close()


def versions(gcs: Endpoint, **params: object) -> list[tuple[str, str, bool]]:
    found = gcs.list(versions="true", **params).get("items", [])
    return [(item["name"], item["generation"], "timeDeleted" in item) for item in found]


def test_what_was_replaced_or_deleted_is_noncurrent(gcs):
    first = gcs.insert("a", b"one").json()["generation"]
    second = gcs.insert("a", b"two").json()["generation"]
    assert versions(gcs) == [("a", first, True), ("a", second, False)]
    assert gcs.delete("a").status_code == 204
    assert versions(gcs) == [("a", first, True), ("a", second, True)]
    assert gcs.get("a").status_code == 404
    assert gcs.list().get("items") is None
    assert gcs.media("a", generation=first).content == b"one"
    assert gcs.session.delete(f"{gcs.url}/storage/v1/b/bucket").status_code == 409


def test_a_generation_that_is_deleted_is_gone_for_good(gcs):
    first = gcs.insert("a", b"one").json()["generation"]
    second = gcs.insert("a", b"two").json()["generation"]
    for generation in (second, first):
        assert gcs.delete("a", generation=generation).status_code == 204
        assert gcs.delete("a", generation=generation).status_code == 404
    assert versions(gcs) == []


def test_a_noncurrent_generation_can_be_composed_but_not_changed(gcs):
    first = gcs.insert("a", b"one").json()["generation"]
    gcs.insert("a", b"two")
    assert gcs.compose("b", [{"name": "a", "generation": first}, {"name": "a"}]).status_code == 200
    assert gcs.media("b").content == b"onetwo"
    assert gcs.patch("a", {"metadata": {"k": "v"}}, generation=first).status_code == 404


def test_pages_hold_every_generation_once(gcs):
    for name in ("a", "b", "a", "a"):
        gcs.insert(name, b"")
    whole, pages, token = versions(gcs), [], {}
    while token is not None:
        pages += versions(gcs, maxResults=1, **token)
        following = gcs.list(versions="true", maxResults=1, **token).get("nextPageToken")
        token = {"pageToken": following} if following else None
    assert len(whole) == 4
    assert pages == whole


def test_conditions_are_about_the_live_object(gcs):
    gcs.insert("a", b"one")
    gcs.delete("a")
    assert gcs.insert("a", b"two", ifGenerationMatch=0).status_code == 200
