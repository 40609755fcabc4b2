"""Objects in a folder are files that people can use, and nothing a client names gets outside of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from replicator.dev.cloud_storage import CloudStorageServer
from tests.contract.cloud_storage_endpoint import QUANTUM, Endpoint, put

DATA = b"The quick brown fox"
UNUSUAL = ["a//b", "/a", "a/", "../x", "a/../../b", "..\\x", "a/" + "x" * 256, "a\0b", "./a", "C:a"]


@contextmanager
def serving(root: Path) -> Iterator[Endpoint]:
    with CloudStorageServer(folder=root, buckets=["bucket"]) as server:
        endpoint = Endpoint(server.url, "bucket")
        yield endpoint
        endpoint.session.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def gcs(root: Path) -> Iterator[Endpoint]:
    with serving(root) as endpoint:
        yield endpoint


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_objects_are_ordinary_files(gcs: Endpoint, root: Path) -> None:
    gcs.insert("dir/file.txt", DATA)
    put(gcs.start("ünïcode 😀"), DATA)
    gcs.multipart("a", DATA)
    assert files(root / "bucket") == ["a", "dir/file.txt", "ünïcode 😀"]
    assert (root / "bucket/dir/file.txt").read_bytes() == DATA


def test_objects_survive_a_restart(root: Path) -> None:
    with serving(root) as gcs:
        written = [gcs.multipart("a/b", DATA, {"metadata": {"k": "v"}}).json()]
        written += [gcs.compose("c", [{"name": "a/b"}] * 2).json(), gcs.insert("trail/", b"x").json()]
        patched = gcs.patch("c", {"cacheControl": "no-cache"}).json()
    with serving(root) as gcs:
        kept = gcs.list()["items"]
        stable = ("name", "generation", "metageneration", "crc32c", "size", "timeCreated", "updated", "contentType")
        assert [[item[field] for field in stable] for item in kept] == [
            [item[field] for field in stable] for item in (written[0], patched, written[2])
        ]
        assert kept[0]["metadata"] == {"k": "v"}
        assert (gcs.media("a/b").content, gcs.media("c").content, gcs.media("trail/").content) == (DATA, DATA * 2, b"x")
        assert gcs.insert("a/b", DATA, ifGenerationMatch=written[0]["generation"]).status_code == 200
        assert int(gcs.get("a/b").json()["generation"]) > int(written[0]["generation"])


def test_buckets_survive_a_restart(root: Path) -> None:
    with CloudStorageServer(folder=root) as server:
        server.create_bucket("other", location="EU")
    with serving(root) as gcs:
        assert gcs.session.get(f"{gcs.url}/storage/v1/b/other").json()["location"] == "EU"


@pytest.mark.parametrize("name", UNUSUAL)
def test_names_that_are_no_paths_stay_inside_and_survive(root: Path, tmp_path: Path, name: str) -> None:
    with serving(root) as gcs:
        assert gcs.insert(name, DATA).json()["name"] == name
        assert files(root / "bucket") == []
    assert [path.name for path in tmp_path.iterdir()] == ["root"]
    assert sorted(path.name for path in root.iterdir()) == [".cloud-storage", "bucket"]
    with serving(root) as gcs:
        assert gcs.media(name).content == DATA
        assert gcs.delete(name).status_code == 204
    assert not list((root / ".cloud-storage/names/bucket").iterdir())


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c", "a/b")])
def test_names_that_exclude_each_other_as_files_coexist_as_objects(root: Path, names: tuple[str, ...]) -> None:
    with serving(root) as gcs:
        for name in names:
            gcs.insert(name, name.encode())
    with serving(root) as gcs:
        assert [gcs.media(name).content.decode() for name in names] == list(names)
        for name in names:
            assert gcs.insert(name, name.encode() * 2).status_code == 200
        assert [gcs.media(name).content.decode() for name in names] == [name * 2 for name in names]
        for name in names:
            assert gcs.delete(name).status_code == 204
    assert files(root / "bucket") == []


def test_a_deleted_object_leaves_no_empty_folders_in_the_way(gcs: Endpoint, root: Path) -> None:
    gcs.insert("a/b/c", DATA)
    gcs.insert("a/d", DATA)
    gcs.delete("a/b/c")
    assert not (root / "bucket/a/b").exists()
    gcs.delete("a/d")
    gcs.insert("a", DATA)
    assert files(root / "bucket") == ["a"]


def test_an_object_moves_to_its_path_once_that_is_free(gcs: Endpoint, root: Path) -> None:
    gcs.insert("a", DATA)
    gcs.insert("a/b", DATA)
    gcs.delete("a")
    gcs.insert("a/b", b"again")
    assert files(root / "bucket") == ["a/b"]
    assert not list((root / ".cloud-storage/names/bucket").iterdir())
    assert gcs.media("a/b").content == b"again"


def test_a_file_that_a_person_drops_is_neither_listed_nor_overwritten(gcs: Endpoint, root: Path) -> None:
    dropped = root / "bucket/dropped"
    dropped.write_bytes(b"mine")
    assert gcs.get("dropped").status_code == 404
    gcs.insert("dropped", DATA)
    assert (dropped.read_bytes(), gcs.media("dropped").content) == (b"mine", DATA)
    gcs.delete("dropped")
    assert dropped.read_bytes() == b"mine"


def test_no_symbolic_link_is_followed_out_of_the_root(gcs: Endpoint, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "target").write_bytes(b"mine")
    (root / "bucket/link").symlink_to(outside)
    (root / "bucket/file").symlink_to(outside / "target")
    for name in ("link/a", "link/target", "file"):
        assert gcs.insert(name, DATA).status_code == 200
        assert gcs.media(name).content == DATA
    assert files(outside) == ["target"]
    assert (outside / "target").read_bytes() == b"mine"


def test_a_folder_swapped_for_a_link_is_not_followed_by_a_replacement(
    gcs: Endpoint, root: Path, tmp_path: Path
) -> None:
    gcs.insert("dir/a", DATA)
    (root / "bucket/dir").rename(tmp_path / "outside")
    (root / "bucket/dir").symlink_to(tmp_path / "outside")
    gcs.insert("dir/a", b"new")
    assert gcs.media("dir/a").content == b"new"
    assert not (tmp_path / "outside/a").exists() or (tmp_path / "outside/a").read_bytes() == DATA


def test_a_file_edited_by_hand_is_no_object_any_more_and_a_copied_one_still_is(root: Path) -> None:
    with serving(root) as gcs:
        for name in ("edited", "longer", "copied", "removed"):
            gcs.insert(name, DATA)
    (root / "bucket/edited").write_bytes(DATA[::-1])
    (root / "bucket/longer").write_bytes(DATA * 2)
    (root / "bucket/copied").write_bytes(DATA)
    (root / "bucket/removed").unlink()
    with serving(root) as gcs:
        assert [item["name"] for item in gcs.list()["items"]] == ["copied"]
        assert gcs.media("copied").content == DATA


def test_an_object_whose_file_vanishes_is_not_found(gcs: Endpoint, root: Path) -> None:
    gcs.insert("a", DATA)
    (root / "bucket/a").unlink()
    assert gcs.media("a").status_code == 404


def test_uploads_in_progress_are_seen_by_nobody_and_swept_away(root: Path) -> None:
    with serving(root) as gcs:
        put(gcs.start("a"), bytes(QUANTUM), f"bytes 0-{QUANTUM - 1}/*")
        assert files(root / "bucket") == []
        staging = root / ".cloud-storage/staging"
        assert [path.stat().st_size for path in staging.iterdir()] == [QUANTUM]
    assert list(staging.iterdir()) == []
    (staging / "left by a crash").write_bytes(DATA)
    with serving(root):
        assert list(staging.iterdir()) == []


@pytest.mark.parametrize("condition", [{"ifGenerationMatch": 1}, {"bad": "hash"}], ids=str)
def test_a_refused_upload_leaves_nothing_behind(gcs: Endpoint, root: Path, condition: dict[str, object]) -> None:
    before = files(root)
    gcs.insert("a/b", DATA, {"X-Goog-Hash": "crc32c=AAAAAA=="} if "bad" in condition else None, **condition)
    assert files(root) == before
    assert not (root / "bucket/a").exists()


def test_a_deleted_bucket_leaves_no_folder(gcs: Endpoint, root: Path) -> None:
    assert gcs.session.delete(f"{gcs.url}/storage/v1/b/bucket").status_code == 204
    assert not (root / "bucket").exists()
    assert files(root) == []
