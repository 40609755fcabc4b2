"""The canary through the real path of the local stack, and a path that is broken."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from replicator import cli
from replicator.dev.rules import DESTINATION_BUCKET, SOURCE_BUCKET
from replicator.dev.stack import Stack

LEFT = ("replicator-canary-",)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("replicas")) as running:
        yield running


@pytest.fixture
def stack(running, tmp_path, monkeypatch):
    """The stack, and the environment in which the doctor sees what its service sees."""
    environment = {
        **running.variables,
        "AWS_ENDPOINT_URL_STS": running.s3_url,
        "PUBSUB_EMULATOR_HOST": running.pubsub_address,
        "GOOGLE_CLOUD_PROJECT": "local",
    }
    for name in ("REPLICATION_RULES", "AWS_PROFILE", "AWS_CREDENTIALS_SECRET", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return running


def test_against_the_local_stack_it_finds_what_the_document_says(stack, capsys, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_STS")
    stack.s3.put_object(Bucket=SOURCE_BUCKET, Key="hello.txt", Body=b"Hello")
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--json"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    said = re.search(r"Against `make run`.*?\n\n", (ROOT / "docs/doctor.md").read_text(), re.DOTALL)[0]
    warned = re.search(r"not have (.*) warn", said, re.DOTALL)[1]
    assert {one["check"] for one in findings if one["status"] == "warning"} == {*re.findall("`(.*?)`", warned)}
    assert {one["check"] for one in findings if one["status"] == "failed"} == {"source_events"}
    stack.s3.delete_object(Bucket=SOURCE_BUCKET, Key="hello.txt")
    assert stack.settle(30)


def canary(capsys, *arguments: str) -> tuple[int, dict[str, dict]]:
    with pytest.raises(SystemExit) as ended:
        cli.main(["doctor", "--json", "--canary", *arguments])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return int(ended.value.code or 0), {one["check"]: one for one in findings if one["area"] == "canary"}


def left(stack) -> list[str]:
    """Names of canaries on either side."""
    source = [item["Key"] for item in stack.s3.list_objects_v2(Bucket=SOURCE_BUCKET).get("Contents", ())]
    replica = [blob.name for blob in stack.storage.list_blobs(DESTINATION_BUCKET)]
    return [name for name in source + replica if name.startswith(LEFT)]


def test_a_canary_goes_through_the_whole_path_and_leaves_nothing(stack, capsys):
    _, found = canary(capsys, "--canary-seconds", "60")
    assert {check: one["status"] for check, one in found.items()} == {
        "canary_written": "ok",
        "canary_replicated": "ok",
        "canary_deleted": "ok",
        "canary_removed": "ok",
    }
    assert re.search(r"after \d+\.\d s, with its receipt", found["canary_replicated"]["detail"])
    assert stack.settle(30)
    assert left(stack) == []


def test_a_canary_of_rules_that_keep_replicas_is_taken_away_all_the_same(stack, capsys, monkeypatch):
    monkeypatch.setenv("DELETES", "ignore")  # to the doctor; the stack's service deletes it as well
    _, found = canary(capsys, "--canary-seconds", "60")
    assert {one["status"] for one in found.values()} == {"ok"}
    assert "keeps replicas" in found["canary_deleted"]["detail"]
    assert stack.settle(30)
    assert left(stack) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_the_doctor_finds_no_canary_left(stack, monkeypatch, number):
    stack.storage.create_bucket(f"never-{number.name.lower()}")
    monkeypatch.setenv("TARGET_GCS_BUCKET", f"never-{number.name.lower()}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-m", "replicator", "doctor", "--canary", "--canary-seconds", "120"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as doctor:
        give_up = threading.Event()
        guard = threading.Timer(60, give_up.set)
        guard.start()
        try:
            while not left(stack):
                assert not give_up.wait(0.05), "no canary came"
            doctor.send_signal(number)
            _, said = doctor.communicate(timeout=60)
        finally:
            guard.cancel()
            doctor.kill()
    assert (doctor.returncode, said.strip()) == (130, "Interrupted; nothing is half written. The same command goes on.")
    assert stack.settle(30)
    assert left(stack) == []


def test_a_path_that_leads_elsewhere_is_a_failure_and_nothing_is_left(stack, capsys, monkeypatch):
    stack.storage.create_bucket("elsewhere")
    monkeypatch.setenv("TARGET_GCS_BUCKET", "elsewhere")
    code, found = canary(capsys, "--canary-seconds", "2")
    assert (code, found["canary_replicated"]["status"]) == (5, "failed")
    assert found["canary_replicated"]["mend"].startswith("python -m replicator explain s3://source-bucket/replicator-")
    assert stack.settle(30)
    assert left(stack) == []


def test_a_canary_that_nobody_may_put_is_a_failure(stack, capsys):
    code, found = canary(capsys, "--canary-profile", "nobody")
    assert (code, {check: one["status"] for check, one in found.items()}) == (5, {"canary_written": "failed"})
    assert "ProfileNotFound" in found["canary_written"]["detail"]
