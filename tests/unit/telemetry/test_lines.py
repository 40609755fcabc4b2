"""Lines are JSON, ours say all, and those of libraries nothing that could be a secret."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from replicator.telemetry import lines as module
from replicator.telemetry import log_published

ROOT = Path(module.__file__).parents[2]
SECRET = "do-not-show-this"
LIBRARIES = ["botocore", "boto3", "urllib3", "google.auth", "google.cloud.pubsub_v1", "requests", "opentelemetry"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_our_level_does_not_make_libraries_talk(lines, level, library):
    lines.configure(level)
    logger = logging.getLogger(library)
    logger.debug("Authorization: %s", SECRET)
    logger.info("Authorization: %s", SECRET)
    assert lines() == []


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("severity", ["WARNING", "ERROR", "CRITICAL"])
def test_a_library_that_warns_is_heard_and_only_where_it_was_is_said(lines, library, severity):
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger(library).log(getattr(logging, severity), f"{SECRET} %s", SECRET, exc_info=True)
    text = lines.text()
    line = json.loads(text)
    assert SECRET not in text
    assert (line["severity"], line["message"]) == (severity, f"{library}: {severity.lower()}")
    assert line["exception"] == "ValueError"
    assert line["logging.googleapis.com/sourceLocation"]["file"] == __file__
    assert (
        line["logging.googleapis.com/sourceLocation"]["function"]
        == test_a_library_that_warns_is_heard_and_only_where_it_was_is_said.__name__
    )


def test_what_a_library_adds_to_a_record_is_not_said_either(lines):
    extra = {"json_fields": {"url": SECRET}, "httpRequest": SECRET, "metadata": SECRET}
    logging.getLogger("google.api_core").warning("x", extra=extra)
    assert SECRET not in lines.text()


def test_a_library_that_repeats_itself_is_heard_once_a_minute(lines, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(module, "monotonic", lambda: now)
    exporter = logging.getLogger("opentelemetry.exporter")
    for _ in range(100):
        exporter.error("down")
    logging.getLogger("botocore").error("another")
    assert len(lines()) == 2
    now += module.QUIET_SECONDS
    exporter.error("down")
    assert len(lines()) == 1


def test_our_own_lines_are_never_spared(lines):
    for _ in range(3):
        log_published("4711", {})
    assert len(lines()) == 3


CUT_OFF = "from google.api_core.client_logging import initialize_logging; initialize_logging();"  # as each client does
CONFIGURE = "from replicator.telemetry import configure; configure('INFO', None);"


@pytest.mark.parametrize("script", [CUT_OFF + CONFIGURE, CONFIGURE + CUT_OFF], ids=["before", "after"])
def test_google_s_libraries_are_heard_although_they_cut_their_loggers_off(script):
    done = subprocess.run(
        [sys.executable, "-c", f"{script} import logging; logging.getLogger('google.auth').warning('x')"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    assert [json.loads(line)["message"] for line in done.stdout.splitlines()] == ["google.auth: warning"]


def test_configuring_twice_does_not_log_twice(lines):
    lines.configure("INFO")
    log_published("4711", {})
    assert len(lines()) == 1


@pytest.mark.parametrize("text", ["a\nb", '"', "\\", "{", "\u2028", "\x00", "%s %d", "🚀", "{}", "\ud800"])
def test_a_value_can_neither_break_nor_forge_a_line(lines, text):
    log_published("4711", {"event_id": text})
    printed = lines.text()
    assert printed.encode()
    assert json.loads(printed)["event_id"] == text
    assert printed.count("\n") == 1
