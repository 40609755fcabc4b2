"""What only the store itself can show: the clock, and readers that outlive what they read."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from replicator.dev.cloud_storage.contents import Draft, Medium
from replicator.dev.cloud_storage.folder import FolderMedium
from replicator.dev.cloud_storage.memory import MemoryMedium
from replicator.dev.cloud_storage.messages import ApiError
from replicator.dev.cloud_storage.preconditions import Preconditions
from replicator.dev.cloud_storage.records import ObjectRecord, ObjectRef
from replicator.dev.cloud_storage.resources import new_bucket
from replicator.dev.cloud_storage.store import Source, Store

REF = ObjectRef("bucket", "object")


@pytest.fixture(params=[lambda path: MemoryMedium(), FolderMedium], ids=["memory", "folder"])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Medium:
    make: Callable[[Path], Medium] = request.param
    return make(tmp_path)


@pytest.fixture
def store(medium: Medium) -> Store:
    store = Store(medium, report_md5=True)
    store.create_bucket(new_bucket({"name": "bucket"}, 0))
    return store


def draft(store: Store, data: bytes) -> Draft:
    made = store.draft()
    made.write(memoryview(data))
    return made


def insert(store: Store, data: bytes, ref: ObjectRef = REF) -> ObjectRecord:
    return store.insert(ref, {}, draft(store, data), Preconditions())


def test_generations_rise_although_the_clock_stands_still_or_goes_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter([5_000, 5_000, 5_000, 1_000, 9_000])
    monkeypatch.setattr("replicator.dev.cloud_storage.bucket.time", SimpleNamespace(time_ns=lambda: next(ticks)))
    assert [insert(store, b"x").generation for _ in range(5)] == [5, 6, 7, 8, 9]


def test_a_reader_sees_the_object_it_opened_to_the_end(store: Store) -> None:
    first = insert(store, b"first")
    record, reader = store.open(REF)
    insert(store, b"second")
    store.delete(REF)
    assert record == first
    assert b"".join(reader.blocks(0, record.size)) == b"first"


def test_the_changed_source_of_a_composition_is_noticed_at_the_end(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = insert(store, b"old", ObjectRef("bucket", "part"))
    append = Draft.append

    def append_and_replace(self: Draft, *arguments: object) -> None:
        append(self, *arguments)  # type: ignore[arg-type]
        insert(store, b"new", ObjectRef("bucket", "part"))

    monkeypatch.setattr(Draft, "append", append_and_replace)
    pinned = Source(ObjectRef("bucket", "part"), Preconditions(generation_match=source.generation))
    with pytest.raises(ApiError, match="pre-conditions") as refused:
        store.compose(REF, {}, [pinned], Preconditions(), delete_sources=False)
    assert refused.value.status == 412
    assert [record.name for record in store.records("bucket")] == ["part"]


def test_a_source_replaced_meanwhile_is_not_deleted(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(store, b"old", ObjectRef("bucket", "part"))
    append = Draft.append

    def append_and_replace(self: Draft, *arguments: object) -> None:
        append(self, *arguments)  # type: ignore[arg-type]
        insert(store, b"new", ObjectRef("bucket", "part"))

    monkeypatch.setattr(Draft, "append", append_and_replace)
    store.compose(REF, {}, [Source(ObjectRef("bucket", "part"))], Preconditions(), delete_sources=True)
    assert [record.name for record in store.records("bucket")] == ["object", "part"]


def test_a_source_that_is_the_target_is_replaced_not_deleted(store: Store) -> None:
    insert(store, b"one")
    composed = store.compose(REF, {}, [Source(REF)], Preconditions(), delete_sources=True)
    assert store.get(REF) == composed


def test_a_retention_policy_protects_from_every_way_to_lose_an_object(store: Store) -> None:
    store.create_bucket(new_bucket({"name": "vault", "retentionPolicy": {"retentionPeriod": "3600"}}, 0))
    kept = ObjectRef("vault", "kept")
    before = insert(store, b"precious", kept)
    for attempt in (
        lambda: store.delete(kept),
        lambda: insert(store, b"replacement", kept),
        lambda: store.compose(ObjectRef("vault", "new"), {}, [Source(kept)], Preconditions(), delete_sources=True),
    ):
        with pytest.raises(ApiError, match="retention") as refused:
            attempt()
        assert (refused.value.status, refused.value.reason) == (403, "retentionPolicyNotMet")
    assert store.records("vault") == [before]


@pytest.mark.parametrize("hold", ["eventBasedHold", "temporaryHold"])
def test_a_hold_protects_from_every_way_to_lose_an_object(store: Store, hold: str) -> None:
    before = store.insert(REF, {hold: True}, draft(store, b"precious"), Preconditions())
    for attempt in (
        lambda: store.delete(REF),
        lambda: store.delete(ObjectRef("bucket", "object", before.generation)),
        lambda: insert(store, b"replacement"),
        lambda: store.compose(ObjectRef("bucket", "new"), {}, [Source(REF)], Preconditions(), delete_sources=True),
    ):
        with pytest.raises(ApiError, match="hold") as refused:
            attempt()
        assert (refused.value.status, refused.value.reason) == (403, "objectUnderActiveHold")
    assert store.records("bucket") == [before]
    store.change(REF, Preconditions(), lambda current: {**current, hold: False})
    store.delete(REF)
    assert store.records("bucket") == []


def test_a_bucket_can_put_every_new_object_on_hold(store: Store) -> None:
    store.create_bucket(new_bucket({"name": "vault", "defaultEventBasedHold": True}, 0))
    assert insert(store, b"x", ObjectRef("vault", "kept")).attributes["eventBasedHold"] is True


def test_under_autoclass_every_object_begins_as_standard(store: Store) -> None:
    store.create_bucket(new_bucket({"name": "auto", "storageClass": "NEARLINE", "autoclass": {"enabled": True}}, 0))
    made = store.insert(ObjectRef("auto", "x"), {"storageClass": "COLDLINE"}, draft(store, b"x"), Preconditions())
    assert made.attributes["storageClass"] == "STANDARD"
