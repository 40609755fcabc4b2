import os
import threading

import pytest
from botocore.exceptions import ClientError

from replicator.dev.folder import FolderWatch


class RecordedS3:
    """Takes the two calls that the watch makes."""

    def __init__(self) -> None:
        self.objects: dict[str, tuple[bytes, dict[str, str]]] = {}
        self.puts = 0
        self.refuses = False

    def upload_file(self, path, bucket, key, ExtraArgs):
        assert bucket == "b"
        if self.refuses:
            raise ClientError({"Error": {"Code": "SlowDown"}}, "PutObject")
        self.puts += 1
        with open(path, "rb") as file:
            self.objects[key] = file.read(), ExtraArgs

    def delete_object(self, Bucket, Key):
        del self.objects[Key]


@pytest.fixture
def s3():
    return RecordedS3()


@pytest.fixture
def reports():
    return []


@pytest.fixture
def watch(tmp_path, s3, reports):
    return FolderWatch(tmp_path, s3, "b", reports.append)


def test_a_file_is_taken_at_the_second_look_that_finds_it_unchanged(tmp_path, watch, s3):
    (tmp_path / "file").write_bytes(b"Hello")
    watch.look()
    assert s3.objects == {}
    watch.look()
    assert s3.objects == {"file": (b"Hello", {})}
    watch.look()
    assert s3.puts == 1


def test_a_file_that_is_still_being_written_is_not_taken(tmp_path, watch, s3):
    for body in (b"H", b"He", b"Hel"):
        (tmp_path / "file").write_bytes(body)
        watch.look()
    assert s3.objects == {}
    watch.look()
    assert s3.objects["file"][0] == b"Hel"


def test_a_file_that_is_changed_is_taken_again(tmp_path, watch, s3):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    watch.look()
    watch.look()
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))  # the clock of a file system may be coarse
    watch.look()
    assert s3.objects["file"][0] == b"one"
    watch.look()
    assert s3.objects["file"][0] == b"two"


def test_a_file_that_is_removed_is_deleted(tmp_path, watch, s3):
    (tmp_path / "file").write_bytes(b"")
    watch.look()
    watch.look()
    assert "file" in s3.objects
    (tmp_path / "file").unlink()
    watch.look()
    assert s3.objects == {}


def test_a_file_that_was_never_taken_is_not_deleted(tmp_path, watch, s3):
    (tmp_path / "file").write_bytes(b"")
    watch.look()
    (tmp_path / "file").unlink()
    watch.look()
    assert s3.objects == {}


def test_folders_are_slashes_in_keys_and_extensions_are_types(tmp_path, watch, s3):
    folder = tmp_path / "a folder" / "100 %"
    folder.mkdir(parents=True)
    (folder / "1 + 1 🦊.html").write_bytes(b"<p>")
    (folder / "pack.tar.gz").write_bytes(b"")
    watch.look()
    watch.look()
    assert s3.objects == {
        "a folder/100 %/1 + 1 🦊.html": (b"<p>", {"ContentType": "text/html"}),
        "a folder/100 %/pack.tar.gz": (b"", {}),
    }


def test_hidden_files_and_links_are_left_alone(tmp_path, watch, s3):
    (tmp_path / ".file.swp").write_bytes(b"")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_bytes(b"")
    (tmp_path / "link").symlink_to("/etc/hostname")
    watch.look()
    watch.look()
    assert s3.objects == {}


def test_a_file_that_s3_does_not_take_is_reported_and_tried_again_when_it_changes(tmp_path, watch, s3, reports):
    s3.refuses = True
    (tmp_path / "file").write_bytes(b"one")
    for _ in range(4):
        watch.look()
    assert reports == ["could not be put into S3: 'file' (ClientError)"]
    s3.refuses = False
    (tmp_path / "file").write_bytes(b"three")
    watch.look()
    watch.look()
    assert s3.objects["file"][0] == b"three"


def test_a_running_watch_takes_what_is_there_already(tmp_path, watch, s3, monkeypatch):
    monkeypatch.setattr("replicator.dev.folder.INTERVAL", 0.01)
    (tmp_path / "file").write_bytes(b"Hello")
    taken, upload = [], s3.upload_file
    done = threading.Event()
    monkeypatch.setattr(s3, "upload_file", lambda *args, **named: (upload(*args, **named), taken.append(1), done.set()))
    with watch:
        assert done.wait(5)
    assert taken == [1]
