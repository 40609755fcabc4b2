"""How long the service takes from its start until it is ready, and what it holds while it is idle."""

import http.client
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from tests.bench.network import Sides
from tests.bench.objects import SOURCE_BUCKET
from tests.bench.replicas import Replicas
from tests.bench.results import Start
from tests.bench.usage import cpu_seconds, memory
from tests.bench.ways.ours import service, variables
from tests.bench.ways.way import Task

BUCKET = "replica-start"


def started(sides: Sides, folder: Path) -> Start:
    """From gunicorn's exec to the answer of /ready, for which the clients are built and both sides were asked.

    It begins to ask when /health answers, which costs the service next to nothing.
    """
    with Replicas(sides, BUCKET), TemporaryDirectory(dir=folder) as place:
        task = Task(sides, SOURCE_BUCKET, BUCKET, 1, Path(place))
        clock = time.monotonic()
        with service(task, variables(task, stream=False)) as running:
            with closing(http.client.HTTPConnection(urlsplit(running.url).netloc, timeout=60)) as connection:
                connection.request("GET", "/ready")
                answer = connection.getresponse()
                answer.read()
            if answer.status != 200:
                raise RuntimeError(f"/ready answers {answer.status}")
            seconds, cpu = time.monotonic() - clock, cpu_seconds(running.process_id)
            idle = memory(running.process_id)
    return Start(seconds, cpu, idle.largest, idle.together)
