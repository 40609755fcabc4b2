"""The commands on an engine in memory: what they print where, and how they end."""

import shutil
import signal
import subprocess
import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from replicator import __version__, cli
from replicator.cli import interruption, processes, text
from replicator.cli.documents import error_document
from replicator.errors import Permanent, Transient, Unfinished
from replicator.model import DestinationName, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.rules import Filter, Rule
from tests.unit.cli.terminal import Terminal

ROOT = Path(cli.__file__).parents[2]
KEY = SourceKey("source", "k")
REPLICA = DestinationName("replica", "k")
RULES = (
    Rule("default", frozenset({"source"}), "replica"),
    Rule("large", frozenset({"source"}), "archive", filter=Filter(min_size=100), priority=2),
    Rule("other", frozenset({"second"}), "replica", priority=1),
)


@pytest.fixture
def run(capsys):
    return Terminal(capsys, RULES[:1])


@pytest.fixture
def run_three(capsys):
    return Terminal(capsys, RULES)


# --- Help -------------------------------------------------------------------------------------------------------------


def test_without_a_command_there_is_help(run):
    code, out, err = run()
    assert (code, err) == (0, "")
    assert out == run("--help")[1]
    assert all(name in out for name in ("serve", "dev", "copy", "status", "explain", "Exit codes"))


def test_the_version_is_that_of_the_project(run):
    assert run("--version") == (0, f"replicator {__version__}\n", "")
    assert f'\nversion = "{__version__}"\n' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("command", ["serve", "copy", "status", "explain", "completion"])
def test_each_command_has_help(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: python -m replicator {command} ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("unknown",),
        ("--unknown",),
        ("copy",),
        ("copy", "k"),
        ("copy", "gs://replica/k"),
        ("copy", "s3://source/k", "s3://replica/k"),
        ("copy", "s3://source/k", "--json", "--quiet"),
        ("copy", "s3://source/\udcff"),
        ("status", "http://source/k"),
        ("explain", "gs://replica/k"),
        ("serve", "--bind", "0.0.0.0:80"),
    ],
)
def test_wrong_arguments_are_2_and_nothing_is_built(run, arguments):
    code, out, err = run(*arguments)
    assert (code, out, run.built) == (2, "", 0)
    assert err.startswith("Usage: ")


# --- copy -------------------------------------------------------------------------------------------------------------


def test_a_copy_is_one_line(run):
    run.source.put(KEY, b"hello")
    code, out, err = run("copy", "s3://source/k")
    assert (code, err) == (0, "")
    assert out.startswith(
        "created   s3://source/k -> gs://replica/k  destination_absent: There was no destination object. "
        "[5 bytes, whole, checked MD5, 0."
    )
    assert run.destination.data(REPLICA) == b"hello"


def test_what_a_replica_cannot_hold_is_said(run):
    run.source.put(KEY, b"hello", not_held=("tags",))
    assert "not held: tags]" in run("copy", "s3://source/k")[1]
    assert "(not held: tags)" in run("explain", "s3://source/k")[1]


def test_a_dry_run_writes_nothing(run):
    run.source.put(KEY, b"hello")
    code, out, _ = run("copy", "--dry-run", "s3://source/k")
    assert (code, run.destination.writes) == (0, [])
    assert out.startswith("created (dry run) ")


def test_a_copy_as_json_has_an_outcome_for_each_destination(run_three):
    run_three.source.put(KEY, bytes(100))
    code, document = run_three.json("copy", "s3://source/k")
    assert code == 0
    assert document["source"] == "s3://source/k"
    assert document["duration_seconds"] >= 0
    assert [(found["result"], found["destination"], found["rule"]) for found in document["outcomes"]] == [
        ("created", "gs://archive/k", "large"),
        ("created", "gs://replica/k", "default"),
    ]
    assert all(found["detail"] == Reason.DESTINATION_ABSENT.explanation for found in document["outcomes"])


def test_quiet_prints_nothing_but_what_failed(run_three):
    run_three.source.put(KEY, b"hello")
    assert run_three("copy", "--quiet", "s3://source/k") == (0, "", "")
    run_three.destination.buckets.discard("archive")
    run_three.source.put(KEY, bytes(100))
    code, out, err = run_three("copy", "-q", "s3://source/k")
    assert (code, out) == (1, "")
    assert err == (
        "failed    s3://source/k -> gs://archive/k  "
        "destination_bucket_not_found: The destination bucket does not exist.\n"
    )


def test_a_destination_that_fails_does_not_hide_the_others(run_three):
    run_three.destination.buckets.discard("archive")
    run_three.source.put(KEY, bytes(100))
    code, out, err = run_three("copy", "s3://source/k")
    assert code == 1
    assert out.startswith("created   s3://source/k -> gs://replica/k")
    assert err.startswith("failed    s3://source/k -> gs://archive/k")


def test_a_destination_may_be_named(run):
    run.source.put(KEY, b"hello")
    assert run("copy", "s3://source/k", "gs://replica/elsewhere")[0] == 0
    assert run.destination.data(DestinationName("replica", "elsewhere")) == b"hello"


@pytest.mark.parametrize("arguments", [("s3://other/k",), ("s3://source/k", "gs://other/k")])
def test_what_no_rule_names_is_refused_untouched(run, arguments):
    def no_look(*_):
        raise AssertionError("it was looked at")

    run.source.stat = run.destination.stat = no_look
    code, out, err = run("copy", *arguments)
    assert (code, out) == (1, "")
    assert "bucket_not_in_rules: No rule names this bucket." in err


def test_a_source_that_is_absent_is_4(run):
    code, out, err = run("copy", "s3://source/k")
    assert (code, out) == (4, "")
    assert "source_not_found: The source object does not exist." in err


def test_a_transient_failure_is_75_and_says_that_it_is_one(run):
    def unavailable(key):
        raise Transient(Reason.SOURCE_UNAVAILABLE, "status 503")

    run.source.stat = unavailable
    code, document = run.json("copy", "s3://source/k")
    assert code == 75
    [failed] = document["outcomes"]
    assert (failed["result"], failed["reason"], failed["permanent"]) == ("failed", "source_unavailable", False)
    assert failed["detail"] == "S3 did not answer, or asked to be called later. (status 503)"


def unfinished_first(run, times: int) -> list[float]:
    """Lets so many attempts end unfinished. Returns the seconds that each attempt had, once they are made."""
    remaining = []
    engine = run.engine

    def scripted(progress):
        built = engine(progress)

        class Reconciling:
            def reconcile(self, key, assignment, deadline, trail):
                remaining.append(deadline.remaining)
                if len(remaining) <= times:
                    with progress.copying(run.source.stat(key)) if progress else nullcontext():
                        raise Unfinished(len(remaining), 5)
                return built.reconciler.reconcile(key, assignment, deadline, trail)

        return replace(built, reconciler=Reconciling())

    run.engine = scripted
    return remaining


@pytest.mark.parametrize("terminal", [True, False])
def test_an_unfinished_copy_is_resumed_with_new_time_and_printed_once(run, monkeypatch, terminal):
    run.source.put(KEY, b"hello")
    remaining = unfinished_first(run, 3)
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    code, out, err = run("copy", "s3://source/k")
    assert (code, out.count("\n"), err) == (0, 1, "")
    assert out.startswith("created   s3://source/k -> gs://replica/k")
    assert [round(seconds / 3600) for seconds in remaining] == [7 * 24] * 4


def test_an_unfinished_copy_can_be_interrupted(run, monkeypatch):
    monkeypatch.setattr(interruption, "GRACE", 60)
    run.source.put(KEY, b"hello")
    remaining = unfinished_first(run, 10**9)
    engine = run.engine

    def interrupted(progress):
        built = engine(progress)
        reconcile = built.reconciler.reconcile

        def press(key, assignment, deadline, trail):
            if len(remaining) == 2:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                while deadline.remaining > 0:
                    threading.Event().wait(0.001)
            return reconcile(key, assignment, deadline, trail)

        built.reconciler.reconcile = press
        return built

    run.engine = interrupted
    code, out, err = run("copy", "s3://source/k")
    assert (code, out, err.strip()) == (130, "", "Interrupted; nothing is half written. The same command goes on.")
    assert len(remaining) == 3


def test_an_unfinished_copy_is_nothing_permanent():
    document = error_document(KEY, Unfinished(5, 10))
    assert (document["reason"], document["permanent"]) == ("unfinished", False)
    assert document["detail"].endswith("(5 of 10 bytes)")


def test_the_path_is_said_with_what_decided_it_where_that_is_not_the_size():
    outcome = Outcome(Result.CREATED, Reason.DESTINATION_ABSENT, KEY, REPLICA, path="stream", path_reason="retention")
    assert "[0 bytes, stream because of retention, 1.00 s]" in text.result_line(outcome, 1)
    assert "[0 bytes, stream, 1.00 s]" in text.result_line(replace(outcome, path_reason="size"), 1)


def test_an_error_that_nobody_foresaw_is_70_and_its_text_stays_out(run):
    def broken(key):
        raise KeyError("a secret")

    run.source.stat = broken
    for command in ("copy", "status", "explain"):
        code, out, err = run(command, "s3://source/k")
        assert (code, out) == (70, "")
        assert "KeyError" in err
        assert "secret" not in err
        assert "Traceback" not in err


def test_a_key_cannot_talk_to_the_terminal(run):
    key = SourceKey("source", "a\x1b[2J\nb\x9b")
    run.source.put(key, b"hello")
    for command in ("copy", "status", "explain"):
        _, out, err = run(command, str(key))
        assert "a\\x1b[2J\\nb\\x9b" in out + err
        assert all(line.isprintable() for line in (out + err).splitlines())
        assert run.json(command, str(key))[1]["source"] == str(key)


def test_what_prevents_the_engine_is_an_answer_as_well(run):
    def without_credentials(progress):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "there are none")

    run.engine = without_credentials
    for command in ("copy", "status", "explain"):
        code, out, err = run(command, "s3://source/k")
        assert (code, out) == (75, "")
        assert err.startswith("failed    s3://source/k  credentials_unavailable: ")
        assert run.json(command, "s3://source/k") == (
            75,
            {
                "source": "s3://source/k",
                "result": "failed",
                "reason": "credentials_unavailable",
                "detail": "No usable credentials could be read. (there are none)",
                "permanent": False,
            },
        )


# --- status -----------------------------------------------------------------------------------------------------------


def test_a_source_object_is_in_sync_when_all_its_destinations_are(run_three):
    run_three.source.put(KEY, bytes(100))
    run_three("copy", "s3://source/k")
    code, document = run_three.json("status", "s3://source/k")
    assert code == 0
    assert [(found["destination"], found["in_sync"]) for found in document["destinations"]] == [
        ("gs://archive/k", True),
        ("gs://replica/k", True),
    ]
    assert document["destinations"][0]["receipt"]["checked"] == "MD5"
    run_three.destination.put_foreign(REPLICA, b"somebody's")
    code, out, err = run_three("status", "s3://source/k")
    assert (code, err) == (3, "")
    assert "in sync     gs://archive/k\n    in_sync: " in out
    assert "not in sync gs://replica/k\n    foreign_overwritten: " in out
    assert "no receipt of ours" in out


def test_a_destination_for_which_the_object_is_not_meant_is_not_out_of_sync(run_three):
    run_three.source.put(KEY, b"hello")
    run_three("copy", "s3://source/k")
    code, out, _ = run_three("status", "s3://source/k")
    assert code == 0
    assert "filtered    gs://archive/k\n    filtered_by_size: " in out


@pytest.mark.parametrize(
    ("address", "code"),
    [("s3://source/k", 3), ("gs://replica/k", 3), ("s3://other/k", 1), ("gs://other/k", 1)],
)
def test_what_is_absent_is_not_in_sync_and_what_no_rule_names_is_refused(run, address, code):
    assert run("status", address)[0] == code
    assert run("status", "--quiet", address)[:2] == (code, "")
    assert run.json("status", address)[0] == code


def test_a_destination_object_may_be_asked_for_by_its_own_name(run):
    run.source.put(KEY, b"hello")
    run("copy", "s3://source/k")
    assert run("status", "--quiet", "gs://replica/k") == (0, "", "")
    code, document = run.json("status", "gs://replica/k")
    assert (code, document["in_sync"], document["receipt"]["source"]) == (0, True, "s3://source/k")
    run.source.put(KEY, b"other")
    code, out, _ = run("status", "gs://replica/k")
    assert code == 3
    assert out.startswith("not in sync gs://replica/k\n    source_changed: The source object has changed")


def test_a_status_that_cannot_be_told_is_an_error(run):
    run.source.buckets.clear()
    code, out, err = run("status", "--quiet", "s3://source/k")
    assert (code, out) == (1, "")
    assert "source_bucket_not_found" in err
    code, out, _ = run("status", "s3://source/k")
    assert code == 1
    assert out.startswith("failed      gs://replica/k\n    source_bucket_not_found: ")


# --- explain ----------------------------------------------------------------------------------------------------------


def test_three_rules_are_explained(run_three):
    state = run_three.source.put(KEY, b"hello")
    run_three("copy", "s3://source/k")
    generation = run_three.destination.stat(REPLICA).generation
    code, out, err = run_three("explain", "s3://source/k")
    assert (code, err) == (0, "")
    assert (
        out
        == f"""\
s3://source/k

Rules, the first to apply first
    large (priority 2)  does not apply: filtered_by_size: 5 bytes, of at least 100
    other (priority 1)  does not apply: bucket_not_in_rules: it is for s3://second
    default (priority 0)  applies, to gs://replica/k

Source
    5 bytes, etag {state.etag}, modified 2026-01-01T00:00:00+00:00, STANDARD, checksum MD5

gs://archive/k
    there  nothing
    now    would be ignored: filtered_by_size: The object's size is outside the rule's bounds.

gs://replica/k
    there  5 bytes, generation {generation}, receipt for s3://source/k, etag {state.etag}, \
modified 2026-01-01T00:00:00+00:00, checked MD5
    now    would be unchanged: in_sync: The destination already holds this state of the source.
"""
    )


def test_an_explanation_as_json(run_three):
    run_three.source.put(KEY, b"hello")
    code, document = run_three.json("explain", "s3://source/k")
    assert code == 0
    assert [(found["rule"], found["applies"], found["reason"]) for found in document["rules"]] == [
        ("large", False, "filtered_by_size"),
        ("other", False, "bucket_not_in_rules"),
        ("default", True, None),
    ]
    assert (document["state"]["exists"], document["state"]["size"]) == (True, 5)
    replica = document["destinations"][1]
    assert (replica["exists"], replica["foreseen"]["result"]) == (False, "created")


def test_what_no_rule_names_is_explained_without_a_look(run):
    def no_look(*_):
        raise AssertionError("it was looked at")

    run.source.stat = run.destination.stat = no_look
    code, out, _ = run("explain", "s3://other/k")
    assert code == 0
    assert "default (priority 0)  does not apply: bucket_not_in_rules: it is for s3://source" in out
    assert "not asked for: bucket_not_in_rules: No rule names this bucket." in out
    code, document = run.json("explain", "s3://other/k")
    assert (code, document["reason"]) == (0, "bucket_not_in_rules")
    assert not {"state", "destinations"} & set(document)


def test_an_explanation_with_gaps_is_printed_and_its_code_says_so(run_three):
    def denied(key):
        raise Permanent(Reason.SOURCE_ACCESS_DENIED, "status 403")

    run_three.source.stat = denied
    code, out, err = run_three("explain", "s3://source/k")
    assert (code, err) == (1, "")
    assert (
        "large (priority 2)  depends on the object, which could not be read; its destination is gs://archive/k" in out
    )
    assert "Source\n    source_access_denied: S3 refuses access to the source object. (status 403)" in out
    assert "now    would fail: source_access_denied: " in out
    code, document = run_three.json("explain", "s3://source/k")
    assert (code, document["state"]["exists"], document["rules"][0]["applies"]) == (1, None, None)


# --- Other programs ---------------------------------------------------------------------------------------------------


def test_dev_is_given_all_its_arguments(run, monkeypatch):
    given = []
    monkeypatch.setattr(processes, "develop", given.append)
    assert run("dev", "--once", "--port", "0", "--help")[0] == 0
    assert given == [("--once", "--port", "0", "--help")]


def test_dev_says_so_where_it_is_not_installed(tmp_path):
    """As in the image of the service."""
    shutil.copytree(ROOT / "replicator", tmp_path / "replicator", ignore=shutil.ignore_patterns("dev", "__pycache__"))
    command = [sys.executable, "-m", "replicator", "dev", "--once"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: the stack for development is no part of this installation" in done.stderr


def test_serve_that_is_not_configured_says_so(run, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUTH", "none")
    monkeypatch.setenv("HOST", "192.0.2.1")
    monkeypatch.setenv("SOURCE_S3_BUCKETS", "source")
    monkeypatch.setenv("TARGET_GCS_BUCKET", "replica")
    monkeypatch.setattr(processes, "serve", lambda target: pytest.fail("it was started"))
    code, _, err = run("serve")
    assert (code, err) == (2, "Error: configuration: AUTH: `none` takes a loopback HOST, such as 127.0.0.1\n")


@pytest.mark.parametrize("module", ["replicator.bootstrap", "replicator.dev", "google.cloud.logging_v2", "boto3"])
def test_help_and_completion_do_not_wait_for_what_they_do_not_need(module):
    script = f"import sys, replicator.cli; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False, timeout=60).returncode == 0


# --- Check ------------------------------------------------------------------------------------------------------------


def test_every_bucket_of_the_rules_is_checked_on_both_sides(run):
    assert run("check") == (0, "ok        s3://source\nok        gs://replica\n", "")
    assert run.json("check") == (0, {"s3://source": "ok", "gs://replica": "ok"})
    assert run("check", "--quiet") == (0, "", "")


def test_a_bucket_that_cannot_be_used_is_named_with_the_reason(run):
    run.destination.buckets.clear()
    code, out, err = run("check")
    assert (code, err) == (1, "")
    assert out.splitlines()[1] == (
        "failed    gs://replica  destination_bucket_not_found: The destination bucket does not exist."
    )
    assert run.json("check")[1] == {
        "s3://source": "ok",
        "gs://replica": {
            "reason": "destination_bucket_not_found",
            "detail": "The destination bucket does not exist.",
            "permanent": True,
        },
    }
    code, out, err = run("check", "--quiet")
    assert (code, out, err.count("\n")) == (1, "", 1)


def test_a_check_without_any_credentials_says_so_once(run, capsys):
    def engine(progress):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "there are no Google credentials")

    with pytest.raises(SystemExit) as ended:
        cli.main(("check",), engine)
    captured = capsys.readouterr()
    assert ended.value.code == 75
    assert captured.err.startswith("failed    credentials_unavailable: ")


def test_without_its_dependencies_it_says_what_to_do(tmp_path):
    """A fresh clone, before `make run`. The interpreter has no packages but its own."""
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r});"
            "runpy.run_module('replicator', run_name='__main__', alter_sys=True)",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not installed: run `make run` once" in done.stderr
    assert "Traceback" not in done.stderr
