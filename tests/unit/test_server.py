"""The server's configuration: what of it the end of an instance rests on."""

import json
import os
import subprocess
import sys
from pathlib import Path

from replicator.bootstrap.telemetry import METRICS_FLUSH_SECONDS
from replicator.dev.services import ENDING_SECONDS
from replicator.ending import ANSWERING_SECONDS, FINISHING_SECONDS

UNTIL_THE_END = 10
"""Seconds from SIGTERM to SIGKILL on Cloud Run."""

SCRIPT = """
import json, os, signal
from replicator import bootstrap, server

came = []
signal.signal(signal.SIGTERM, lambda *given: came.append(given))
server.post_worker_init(None)
before = bootstrap.ending.announced
os.kill(os.getpid(), signal.SIGTERM)
read = server.threads, server.graceful_timeout, server.worker_connections
print(json.dumps([before, bootstrap.ending.announced, len(came), *read]))
"""


def test_sigterm_is_announced_and_gunicorn_stops_as_ever_in_the_time_that_there_is():
    variables = {
        "K_SERVICE": "replicator",
        "SOURCE_S3_BUCKETS": "source",
        "TARGET_GCS_BUCKET": "replica",
        "CONCURRENCY": "1000",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    before, after, came, threads, graceful, connections = json.loads(done.stdout)
    assert (before, after, came) == (False, True, 1)
    assert 1000 < threads < connections
    assert FINISHING_SECONDS + ANSWERING_SECONDS + METRICS_FLUSH_SECONDS <= graceful < UNTIL_THE_END
    assert graceful < ENDING_SECONDS
