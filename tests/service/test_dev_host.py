"""The local stack as a container starts it: what is published is reached from outside, and nothing else is."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
OUTSIDE = "127.0.0.2"
"""Another address of this machine: whoever listens on 127.0.0.1 only is not there."""


@pytest.fixture
def addresses(tmp_path):
    """What the introduction says, by its names, of a stack that listens everywhere."""
    arguments = ["--host", "0.0.0.0", "--port", "0"]  # noqa: S104
    folders = ["--source-folder", str(tmp_path / "source"), "--replica-folder", str(tmp_path)]
    with subprocess.Popen(
        [sys.executable, "-m", "replicator.dev", *arguments, *folders],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        found = {}
        for line in process.stdout:
            if introduced := re.match(r"  (\S+(?: \S+)*)  +(\S+)", line):
                found[introduced[1]] = introduced[2]
            elif line.startswith("Try: "):
                break
        yield found
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == 0, rest


def from_outside(url):
    """The answer to a client that calls a published port by the name of its own machine."""
    return requests.get(url.replace("127.0.0.1", OUTSIDE), headers={"Host": "localhost:8082"}, timeout=10)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8")
def test_replicate_s3_and_the_page_are_reached_from_outside_and_nothing_else_is(addresses):
    assert addresses["page"].endswith("/dev")
    assert "Replicator" in from_outside(addresses["page"]).text
    assert from_outside(f"{addresses['replicate']}/ready").status_code == 200
    assert from_outside(addresses["S3"]).status_code == 200
    for name in ("ingest", "Cloud Storage"):
        with pytest.raises(requests.ConnectionError):
            from_outside(addresses[name])
