"""`doctor`: its options, what it prints where, and how it ends."""

import json

import click
import pytest

from replicator import cli
from replicator.bootstrap.doctor import Visit
from replicator.cli import doctor
from replicator.doctor import Check
from replicator.doctor.finding import failed, ok, warning

URL = "https://replicator-abc.run.app"
OK = ok(Check.CLOCK, "S3", "The clocks agree.")
WARNING = warning(Check.SOURCE_TAGS, "s3://b/\x1b[31mk", "Tags are not carried.", "mend this")
FAILED = failed(Check.EXPIRATION, "push", "It expires.", "mend that")


@pytest.fixture
def run(capsys, monkeypatch):
    def run(*arguments: str, findings=()):
        visits = []
        monkeypatch.setattr(doctor, "configured_doctor", lambda visit: visits.append(visit) or list(findings))
        with pytest.raises(SystemExit) as ended:
            cli.main(["doctor", *arguments])
        out, err = capsys.readouterr()
        return ended.value.code or 0, out, err, visits

    return run


@pytest.mark.parametrize(
    ("findings", "arguments", "code"),
    [
        ([], [], 0),
        ([OK], ["--strict"], 0),
        ([OK, WARNING], [], 0),
        ([OK, WARNING], ["--strict"], 5),
        ([WARNING, FAILED], [], 5),
        ([FAILED], ["--json"], 5),
        ([FAILED], ["--quiet"], 5),
    ],
)
def test_the_worst_finding_decides_how_it_ends(run, findings, arguments, code):
    assert run(*arguments, findings=findings)[0] == code


def test_findings_are_shown_by_area_with_what_mends_them(run):
    _, out, err, _ = run(findings=[FAILED, OK, WARNING])
    assert err == ""
    assert out.splitlines() == [
        "Source",
        "  warning  source_tags  s3://b/\\x1b[31mk",
        "           Tags are not carried.",
        "           mend: mend this",
        "Delivery",
        "  failed   expiration  push",
        "           It expires.",
        "           mend: mend that",
        "Clock",
        "  ok       clock  S3",
        "           The clocks agree.",
        "1 ok, 1 warning, 1 failed",
    ]


def test_quiet_leaves_out_what_is_ok(run):
    out = run("--quiet", findings=[OK, FAILED])[1]
    assert "Clock" not in out
    assert out.splitlines()[-1] == "1 ok, 0 warning, 1 failed"


def test_a_terminal_has_colours_and_nothing_else_has(monkeypatch, run):
    assert "\x1b" not in run(findings=[FAILED])[1]
    monkeypatch.setattr(click.utils, "should_strip_ansi", lambda *_: False)
    assert "\x1b[31mfailed" in run(findings=[FAILED])[1]


def test_the_document_has_an_object_for_each_finding(run):
    _, out, _, _ = run("--json", findings=[OK, WARNING])
    document = json.loads(out)
    assert document["status"] == "warning"
    assert document["findings"][1] == {
        "check": "source_tags",
        "area": "source",
        "status": "warning",
        "subject": "s3://b/\x1b[31mk",
        "detail": "Tags are not carried.",
        "mend": "mend this",
    }
    assert document["findings"][0]["mend"] is None


def test_the_doctor_is_told_what_the_options_say_and_nothing_else(run):
    assert run()[3] == [Visit()]
    told = ["--impersonate", "a@b", "--region", "europe-west1", "--service-url", URL, "--subscription", "s"]
    assert run(*told, "--canary", "--canary-profile", "p", "--canary-seconds", "5")[3] == [
        Visit("a@b", "s", URL, "europe-west1", True, "p", 5)
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--canary-profile", "p"],
        ["--canary-seconds", "0"],
        ["--json", "--quiet"],
        ["--region", "us-east-1"],
        ["--region", "EU"],
        ["--service-url", "replicator.run.app"],
        ["--service-url", "ftp://replicator.run.app"],
        ["--service-url", "https://replicator.run.app/v1/replicate"],
        ["--service-url", "https://"],
    ],
)
def test_options_that_make_no_sense_are_refused(run, arguments):
    code, _, _, visits = run(*arguments)
    assert (code, visits) == (2, [])
