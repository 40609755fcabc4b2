"""The stack behind `make run`: the command as a person runs it, and the parts of it that need the whole."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

from replicator.dev import environment
from replicator.dev.clients import http_session
from replicator.dev.compare import Difference, compare
from replicator.dev.errors import StackError
from replicator.dev.once import run_once
from replicator.dev.rules import DESTINATION_BUCKET, SOURCE_BUCKET
from replicator.dev.screen import Screen
from replicator.dev.sockets import bind
from replicator.dev.stack import Stack

ROOT = Path(__file__).parents[2]
PATIENCE = 30
CAVEAT = "No rule reads source-bucket, which samples, drop folder and page use: put objects into media.\n"


def run(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "replicator.dev", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_of(pid):
    """The processes that a run has started, as the kernel knows them."""
    if not shutil.which("ps"):
        pytest.skip("ps is not installed")
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(map(int, line.split()) for line in listed.splitlines())
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return family - {pid}


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(true):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        threading.Event().wait(0.05)


def test_a_file_where_a_folder_should_be_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    process = run("--port", "0", "--replica-folder", str(tmp_path / "file"))
    output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert str(tmp_path / "file") in output
    assert "Traceback" not in output


def read_until(process, word):
    for line in process.stdout:
        if word in line:
            return
    pytest.fail(f"the output ended without {word}")


def refusal(process):
    """All that a run says that should end by itself; one that starts all the same is ended, and fails the test."""
    try:
        return process.communicate(timeout=PATIENCE)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        raise


def cells(output, source):
    """The results of one object, in order, each with its reason and path."""
    rows = [re.split(r"  +", line) for line in output.splitlines()]
    return [tuple(row[2:5]) for row in rows if row[0] == source]


@pytest.fixture(scope="module")
def once():
    with run("--once", "--port", "0") as process:
        output, _ = process.communicate(timeout=100)
    return process.returncode, output


def test_once_ends_well_and_says_so(once):
    code, output = once
    assert code == 0, output
    assert re.search(r"^OK: 5 objects, \d+ bytes compared", output, re.MULTILINE)


@pytest.mark.parametrize(
    ("source", "outcomes"),
    [
        ("empty", [("created", "destination_absent", "whole")]),
        ("odd key/1 + 1 = 100 % 🦊.bin", [("created", "destination_absent", "whole")]),
        ("40-mib.bin", [("created", "destination_absent", "stream")]),
        ("5-mib.bin", [("created", "destination_absent", "whole"), ("updated", "source_changed", "whole")]),
        ("hello.txt", [("created", "destination_absent", "whole"), ("metadata_updated", "metadata_changed", "-")]),
        ("one-byte", [("created", "destination_absent", "whole"), ("deleted", "source_deleted", "-")]),
    ],
)
def test_once_shows_what_happens_to_each_object(once, source, outcomes):
    _, output = once
    assert cells(output, source) == outcomes, output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_and_leaves_no_process_behind(tmp_path, number):
    arguments = ("--port", "0", "--source-folder", str(tmp_path / "source"))
    with run(*arguments, LOCAL_GCS_PATH=str(tmp_path)) as process:
        read_until(process, "40-mib.bin")
        children = processes_of(process.pid)
        process.send_signal(number)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert len(children) == 4  # for each target, gunicorn's arbiter and its worker
    assert not any(map(is_running, children))
    assert (tmp_path / DESTINATION_BUCKET / "hello.txt").read_bytes() == b"Hello from S3!\n"


def test_a_signal_ends_it_while_it_is_still_starting(tmp_path):
    with run("--once", "--port", "0") as process:
        read_until(process, "Starting")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, rest
    assert rest == ""


def test_a_service_that_dies_ends_it_with_a_message(tmp_path):
    arguments = ("--port", "0", "--source-folder", str(tmp_path / "source"))
    with run(*arguments, LOCAL_GCS_PATH=str(tmp_path)) as process:
        read_until(process, "40-mib.bin")
        children = processes_of(process.pid)
        os.kill(min(children), signal.SIGKILL)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "ended with exit code -9" in rest
    assert not any(map(is_running, children))


def test_a_port_in_use_is_named(tmp_path):
    with bind(0) as taken:
        taken.listen()
        port = str(taken.getsockname()[1])
        with run("--once", "--port", port) as process:
            output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert f"port {port} cannot be used" in output
    assert "--port" in output
    assert "Traceback" not in output


def test_folders_inside_one_another_are_refused(tmp_path):
    with run("--source-folder", str(tmp_path), "--replica-folder", str(tmp_path / "replicas")) as process:
        output, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "inside one another" in output


def test_a_replica_folder_in_use_is_named(tmp_path):
    with Stack(tmp_path), run("--port", "0", "--replica-folder", str(tmp_path)) as process:
        output = refusal(process)
    assert process.returncode == 1
    assert f"the folder {tmp_path} is in use" in output
    assert "--replica-folder" in output
    assert "Traceback" not in output


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    folder = tmp_path / ("x" * 300)
    with run("--port", "0", "--replica-folder", str(tmp_path), "--source-folder", str(folder)) as process:
        output = refusal(process)
    assert process.returncode == 1
    assert f"replicator.dev: the folder {folder} cannot be made (File name too long)\n" in output
    assert "Traceback" not in output


def test_rules_for_other_buckets_are_introduced_as_what_they_are(tmp_path):
    rules = tmp_path / "rules.yaml"
    rules.write_text("rules: [{id: one, source: {bucket: media}, destination: {bucket: archive}}]")
    folders = ("--source-folder", str(tmp_path / "source"), "--replica-folder", str(tmp_path / "local"))
    with run("--port", "0", "--rules", str(rules), *folders) as process:
        introduction = list(iter(process.stdout.readline, CAVEAT))
        s3 = next(line.split()[1] for line in introduction if line.startswith("  S3 ")).removesuffix(SOURCE_BUCKET)
        with http_session() as http:
            assert http.put(f"{s3}media/k", data=b"Hello").ok
            wait_for((tmp_path / "local" / "archive" / "k").exists)
            assert "<KeyCount>0<" in http.get(f"{s3}{SOURCE_BUCKET}?list-type=2").text
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, rest
    assert "Try:" not in rest
    assert re.search(r"^s3://media/k .* created .* one +→ gs://archive$", rest, re.MULTILINE), rest


def test_a_file_that_is_dropped_appears_as_a_file_and_goes_with_it(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "before.txt").write_text("there before the start")
    replicas = tmp_path / "local" / DESTINATION_BUCKET
    with Stack(tmp_path / "local", source_folder=source):
        wait_for((replicas / "before.txt").exists)
        dropped = source / "a folder" / "1 + 1.txt"
        dropped.parent.mkdir()
        dropped.write_text("dropped")
        replica = replicas / "a folder" / "1 + 1.txt"
        wait_for(replica.exists)
        assert replica.read_text() == "dropped"
        dropped.unlink()
        wait_for(lambda: not replica.exists())


def test_a_change_of_tags_reaches_the_replica_s_metadata_and_moves_no_byte(tmp_path):
    output = io.StringIO()
    with Stack(tmp_path, screen=Screen(Console(file=output, width=200))) as stack:
        stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="k", Body=b"Hello")
        assert stack.settle(PATIENCE)
        created = stack.storage.bucket(DESTINATION_BUCKET).get_blob("k")
        stack.s3.put_object_tagging(
            Bucket=SOURCE_BUCKET, Key="k", Tagging={"TagSet": [{"Key": "project", "Value": "blue"}]}
        )
        assert stack.settle(PATIENCE)
        tagged = stack.storage.bucket(DESTINATION_BUCKET).get_blob("k")
        stack.s3.delete_object_tagging(Bucket=SOURCE_BUCKET, Key="k")
        assert stack.settle(PATIENCE)
        untagged = stack.storage.bucket(DESTINATION_BUCKET).get_blob("k")
    assert [blob.metadata.get("s3-tags") for blob in (created, tagged, untagged)] == [None, "project=blue", None]
    assert created.generation == tagged.generation == untagged.generation
    assert cells(output.getvalue(), "k") == [
        ("created", "destination_absent", "whole"),
        ("metadata_updated", "metadata_changed", "-"),
        ("metadata_updated", "metadata_changed", "-"),
    ]


def test_what_did_not_get_through_or_was_changed_behind_its_back_is_a_problem(tmp_path):
    unnameable = ".well-known/acme-challenge/x"
    with Stack(tmp_path) as stack:
        stack.s3.put_object(Bucket=SOURCE_BUCKET, Key=unnameable, Body=b"")
        verdict = run_once(stack)
        stack.storage.bucket(DESTINATION_BUCKET).blob("empty").upload_from_string(b"not empty")
        differences = compare(stack.s3, SOURCE_BUCKET, stack.storage, DESTINATION_BUCKET).differences
    assert verdict.text.startswith("FAILED")
    missing, dead_letter = verdict.problems
    assert missing == f"{unnameable} is missing in the destination"
    assert dead_letter.endswith("is a dead letter")
    assert Difference("empty", "has other bytes") in differences


def test_the_variables_lead_the_command_line_to_its_dead_letters(tmp_path):
    unnameable = ".well-known/acme-challenge/x"
    with Stack(tmp_path) as stack:
        stack.s3.put_object(Bucket=SOURCE_BUCKET, Key=unnameable, Body=b"")
        assert stack.settle(PATIENCE)
        listed = subprocess.run(
            [sys.executable, "-m", "replicator", "dead-letters", "list", "--json"],
            cwd=tmp_path,
            env={**environment.inherited(), **stack.variables, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    (letter,) = [json.loads(line) for line in listed.stdout.splitlines()]
    assert (letter["reasons"], letter["delivery_attempts"]) == (["destination_name_invalid"], 5)
    assert [event["source"] for event in letter["events"]] == [f"s3://{SOURCE_BUCKET}/{unnameable}"]


def test_a_service_that_cannot_start_is_reported_with_its_own_words(tmp_path, monkeypatch):
    monkeypatch.setattr("replicator.dev.stack.TOPIC", "not a topic")
    with pytest.raises(StackError, match="PUBSUB_TOPIC"), Stack(tmp_path):
        pytest.fail("it started")
