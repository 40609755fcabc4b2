"""The command line as a process of its own, between an embedded S3 and the embedded Cloud Storage."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from urllib3.util import Retry

from replicator.dev import environment
from replicator.dev.cloud_storage import Fault, Stall
from replicator.dev.sockets import bind, url_of
from tests.servers import AWS, cloud_storage, s3_client
from tests.service.command_line import CommandLine

ROOT = Path(__file__).parents[2]
MIB = 1024**2
LARGE = os.urandom(32 * MIB)
HELLO = "s3://source-bucket/hello.txt"


@pytest.fixture
def line(s3_url, tmp_path) -> Iterator[CommandLine]:
    s3 = s3_client(s3_url)
    s3.create_bucket(Bucket="source-bucket")
    s3.put_object(Bucket="source-bucket", Key="hello.txt", Body=b"Hello")
    with cloud_storage("replica-bucket", "archive-bucket") as storage:
        variables = {
            **environment.inherited(),
            **AWS,
            "PYTHONPATH": str(ROOT),
            "AWS_ENDPOINT_URL_S3": s3_url,
            "STORAGE_EMULATOR_HOST": storage.url,
            "SOURCE_S3_BUCKETS": "source-bucket",
            "TARGET_GCS_BUCKET": "replica-bucket",
        }
        yield CommandLine(s3, storage, tmp_path, variables)
    for found in s3.list_objects_v2(Bucket="source-bucket").get("Contents", ()):
        s3.delete_object(Bucket="source-bucket", Key=found["Key"])
    s3.delete_bucket(Bucket="source-bucket")


# --- copy, status, explain --------------------------------------------------------------------------------------------


def test_an_object_is_copied_and_its_status_and_explanation_say_so(line):
    assert line.run("status", "--quiet", HELLO) == (3, "", "")
    code, out, err = line.run("copy", HELLO)
    assert (code, err) == (0, "")
    assert re.fullmatch(
        r"created   s3://source-bucket/hello.txt -> gs://replica-bucket/hello.txt  destination_absent: .+ "
        r"\[5 bytes, whole, checked \w+, \d+\.\d\d s]\n",
        out,
    )
    assert line.replica("hello.txt") == b"Hello"
    assert line.run("status", "-q", HELLO) == line.run("status", "-q", "gs://replica-bucket/hello.txt") == (0, "", "")
    code, out, err = line.run("explain", HELLO)
    assert (code, err) == (0, "")
    assert "default (priority 0)  applies, to gs://replica-bucket/hello.txt\n" in out
    assert "receipt for s3://source-bucket/hello.txt, etag " in out


@pytest.mark.parametrize("key", ["a b#c?d=e&f%41+g", "ü/😀", "folder/", "a//b", "/leading"])
def test_a_key_is_taken_literally(line, key):
    line.s3.put_object(Bucket="source-bucket", Key=key, Body=b"x")
    code, out, _ = line.run("copy", "--json", f"s3://source-bucket/{key}")
    [outcome] = json.loads(out)["outcomes"]
    assert (code, outcome["destination"]) == (0, f"gs://replica-bucket/{key}")
    assert line.replica(key) == b"x"


def test_every_document_is_the_service_s_own_in_its_names(line):
    code, out, _ = line.run("copy", "--json", HELLO)
    [outcome] = json.loads(out)["outcomes"]
    assert code == 0
    assert {"result", "reason", "rule", "source", "destination", "generation", "bytes", "path", "checked"} <= set(
        outcome
    )
    document = json.loads(line.run("status", "--json", "gs://replica-bucket/hello.txt")[1])
    assert set(document) == {"destination", "in_sync", "reason", "detail", "generation", "size", "receipt"}
    document = json.loads(line.run("explain", "--json", HELLO)[1])
    assert set(document) == {"source", "rules", "state", "destinations"}


def test_a_dry_run_a_status_and_an_explanation_write_nothing(line):
    for arguments in (("copy", "--dry-run"), ("status",), ("explain",)):
        line.run(*arguments, HELLO)
    assert line.storage.requests
    assert line.writes() == 0
    assert line.replica("hello.txt") is None


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("copy", "s3://source-bucket/absent"), 4, "source_not_found"),
        (("copy", "s3://other-bucket/hello.txt"), 1, "bucket_not_in_rules"),
        (("copy", HELLO, "gs://other-bucket/hello.txt"), 1, "bucket_not_in_rules"),
        (("copy", HELLO, "gs://replica-bucket/.replicator/x"), 1, "destination_name_invalid"),
        (("copy", "hello.txt"), 2, "expected s3://bucket/key"),
        (("status", "gs://replica-bucket/absent"), 3, "destination_not_found"),
        (("unknown",), 2, "No such command"),
    ],
)
def test_scripts_can_tell_what_went_wrong(line, arguments, code, said):
    found, out, err = line.run(*arguments)
    assert (found, out) == (code, "")
    assert said in err


def test_a_server_that_is_away_is_worth_another_try(line):
    with bind(0) as closed:
        away = url_of(closed)
    code, out, err = line.run("copy", HELLO, AWS_ENDPOINT_URL_S3=away, MAX_RETRIES="0")
    assert (code, out) == (75, "")
    assert "source_unavailable" in err


@pytest.mark.parametrize("variable", ["CHUNK_SIZE", "STORAGE_EMULATOR_HOST", "AWS_ENDPOINT_URL_S3"])
def test_a_wrong_configuration_names_the_variable_and_is_2(line, variable):
    for command in (("copy", HELLO), ("status", HELLO), ("explain", HELLO), ("check",)):
        code, out, err = line.run(*command, **{variable: "secret"})
        assert (code, out) == (2, "")
        assert err.startswith(f"Error: configuration: {variable}")
        assert "secret" not in err


def test_the_configuration_may_be_in_a_file(line):
    (line.folder / ".env").write_text("SOURCE_S3_BUCKETS=source-bucket\nTARGET_GCS_BUCKET=replica-bucket\n")
    del line.variables["SOURCE_S3_BUCKETS"], line.variables["TARGET_GCS_BUCKET"]
    assert line.run("copy", "-q", HELLO) == (0, "", "")


RULES = """
rules:
  - id: large
    source: {buckets: [source-bucket]}
    destination: {bucket: missing-bucket}
    filter: {min_size: 100}
    priority: 2
  - id: reports
    source: {buckets: [source-bucket], prefix: reports/}
    destination: {bucket: archive-bucket, prefix: r/}
    priority: 1
  - id: everything
    source: {buckets: [source-bucket]}
    destination: {bucket: replica-bucket}
"""


def test_three_rules_with_different_destinations_are_explained(line):
    (line.folder / "rules.yaml").write_text(RULES)
    del line.variables["SOURCE_S3_BUCKETS"], line.variables["TARGET_GCS_BUCKET"]
    line.variables["REPLICATION_RULES"] = "rules.yaml"
    code, out, err = line.run("explain", HELLO)
    assert (code, err) == (0, "")
    assert "large (priority 2)  does not apply: filtered_by_size: 5 bytes, of at least 100\n" in out
    assert "reports (priority 1)  does not apply: filtered_by_prefix: the key does not begin with 'reports/'\n" in out
    assert "everything (priority 0)  applies, to gs://replica-bucket/hello.txt\n" in out
    assert "would be created: destination_absent" in out
    assert line.run("copy", HELLO)[0] == 0
    assert line.replica("hello.txt") == b"Hello"
    line.s3.put_object(Bucket="source-bucket", Key="reports/1", Body=bytes(100))
    code, out, err = line.run("copy", "s3://source-bucket/reports/1")
    assert code == 1
    assert err.startswith(
        "failed    s3://source-bucket/reports/1 -> gs://missing-bucket/reports/1  destination_bucket_n"
    )
    assert line.replica("r/1", "archive-bucket") == line.replica("reports/1") == bytes(100)


LOGGING_LIBRARY = """
import logging
from replicator import cli
from replicator.cli.command import configured_engine

def engine(progress):
    built = configured_engine(progress)
    logging.getLogger("library").warning("a session URI")
    return built

cli.main(engine=engine)
"""


def test_what_libraries_log_is_not_part_of_the_output(line):
    assert line.run("copy", "--quiet", HELLO, program=("-c", LOGGING_LIBRARY)) == (0, "", "")


DOCUMENT = (ROOT / "docs/cli.md").read_text()
EXAMPLES = re.findall(r"^\$ python -m replicator (.+)\n((?:(?!\$ |```).*\n)*)", DOCUMENT, re.MULTILINE)
VOLATILE = r"\d{16}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d|\d+\.\d+ s(?=])|(?<=\"duration_seconds\": )\d+\.\d+"


def test_the_document_s_examples_print_what_it_says(line):
    assert len(EXAMPLES) == DOCUMENT.count("\n$ ") > 5
    for arguments, expected in EXAMPLES:
        code, out, err = line.run(*arguments.split(" "))
        assert (code, err) == (0, "")
        assert re.sub(VOLATILE, "-", out) == re.sub(VOLATILE, "-", expected)


# --- Long copies ------------------------------------------------------------------------------------------------------


@contextmanager
def stalled(
    line: CommandLine, key: str, program: tuple[str, ...] = ("-m", "replicator"), **streams: Any
) -> Iterator[tuple[subprocess.Popen[str], threading.Event]]:
    """A copy that hangs in each of its uploads, until the event.

    A `large` one goes on until the buffers between it and the server are full; one of `hello.txt` waits for its answer.
    """
    reached, go_on = threading.Event(), threading.Event()
    line.s3.put_object(Bucket="source-bucket", Key="large", Body=LARGE)
    stall = Stall(until=go_on, reached=reached, after_bytes=6 * MIB if key == "large" else 0)
    upload = {"method": "PUT"} if key == "large" else {"method": "POST", "path": "uploadType=multipart"}
    line.storage.faults.add(Fault(stall, **upload, times=None))
    process = line.start("copy", f"s3://source-bucket/{key}", program=program, **streams)
    try:
        assert reached.wait(30)
        yield process, go_on
    finally:
        go_on.set()
        with suppress(ProcessLookupError):
            process.kill()
        process.wait(30)


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal of 100 columns: ours, and the program's."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        with suppress(OSError):
            os.close(theirs)


def read_until(descriptor: int, pattern: str) -> str:
    """What the program writes until it has written this; pytest's timeout ends it if that never comes."""
    text = ""
    while not re.search(pattern, text):
        text += os.read(descriptor, 65536).decode()
    return text


def test_a_long_copy_shows_its_progress_on_a_terminal(line):
    with terminal() as (ours, theirs), stalled(line, "large", stdout=theirs, stderr=theirs) as (process, go_on):
        os.close(theirs)
        shown = read_until(ours, r" left| stalled")
        assert re.search(r"\d+\.\d MiB of 32\.0 MiB \[#+-+] \d+ % \d+\.\d MiB/s \d:\d\d left", shown), shown
        go_on.set()
        ended = read_until(ours, r"created .+ s\]")
        assert process.wait(30) == 0
    assert "\r\x1b[Kcreated   s3://source-bucket/large" in ended
    assert line.replica("large") == LARGE


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_no_progress_is_shown_that_was_not_asked_for(line, option):
    line.s3.put_object(Bucket="source-bucket", Key="large", Body=LARGE)
    line.storage.faults.add(Fault(Stall(seconds=1.0, after_bytes=6 * MIB), method="PUT"))
    with terminal() as (ours, theirs):
        process = line.start("copy", option, "s3://source-bucket/large", stdout=subprocess.DEVNULL, stderr=theirs)
        assert process.wait(30) == 0
        os.set_blocking(ours, False)
        with pytest.raises(BlockingIOError):
            os.read(ours, 1)


TWO_DESTINATIONS = """
from dataclasses import replace
from replicator import bootstrap, cli
from replicator.rules import Rule, RuleSet

sources = frozenset({"source-bucket"})
rules = RuleSet(tuple(Rule(p, sources, "replica-bucket", destination_prefix=p) for p in ("one/", "two/")))

def engine(progress):
    built = bootstrap.command_line_engine(progress)
    return replace(built, rules=rules, reconciler=replace(built.reconciler, rules=rules))

cli.main(engine=engine)
"""


@pytest.mark.parametrize(
    ("key", "program", "number", "ended"),
    [
        ("large", ("-m", "replicator"), signal.SIGINT, 130),
        ("large", ("-m", "replicator"), signal.SIGTERM, 130),
        ("large", ("-c", TWO_DESTINATIONS), signal.SIGINT, 130),
        # The interpreter would wait for threads that hang; a shell shows a death by SIGINT as 130, too.
        ("hello.txt", ("-m", "replicator"), signal.SIGINT, -signal.SIGINT),
        ("hello.txt", ("-c", TWO_DESTINATIONS), signal.SIGINT, -signal.SIGINT),
    ],
    ids=["one goes on", "one is told to end", "two go on", "one hangs", "two hang"],
)
def test_ctrl_c_ends_copies_and_nothing_half_written_is_visible(line, key, program, number, ended):
    with stalled(line, key, program, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as (process, _):
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (ended, "")
    assert err.strip() == "Interrupted; nothing is half written. The same command goes on."
    # What hung when all its bytes were there may land still: whole.
    whole = {None} if key == "large" else {None, b"Hello"}
    assert {line.replica(prefix + key) for prefix in ("", "one/", "two/")} <= whole


# --- Other programs ---------------------------------------------------------------------------------------------------


def test_serve_is_the_service_in_any_directory_and_ends_when_it_is_told_to(line):
    with bind(0) as bound:
        port = str(bound.getsockname()[1])
    line.variables |= {"AUTH": "none", "HOST": "127.0.0.1", "PORT": port}
    process = line.start("serve", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        http = requests.Session()
        http.mount(
            "http://", requests.adapters.HTTPAdapter(max_retries=Retry(200, backoff_factor=0.1, backoff_max=0.1))
        )
        answer = http.post(
            f"http://127.0.0.1:{port}/v1/replicate", json={"bucket": "source-bucket", "key": "hello.txt"}, timeout=60
        )
        assert answer.status_code == 201
        http.close()
        process.terminate()
        out, _ = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait(30)
    assert process.returncode == 0
    assert '"door": "direct"' in out
    assert line.run("serve", HOST="192.0.2.1")[0] == 2


def test_dev_is_the_stack_with_its_own_arguments_and_exit_code(line):
    code, out, _ = line.run("dev", "--help")
    assert code == 0
    assert out.startswith("usage: python -m replicator.dev")
    assert line.run("dev", "--port", "99999")[0] == 2
