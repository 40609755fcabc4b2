"""Gunicorn's configuration: `gunicorn --config python:replicator.server "functions_framework:create_app()"`.

functions-framework's own server has a graceful timeout of 30 s and four threads a core; Cloud Run kills an instance
10 s after SIGTERM and sends it as many requests at once as `--concurrency` says.
"""

import signal
from typing import Any

from replicator.bootstrap import check_configuration, ending
from replicator.bootstrap.telemetry import closing
from replicator.settings import ServerSettings
from replicator.web.gate import PLACES_BESIDE
from replicator.web.worker import Worker

# Here, in the master: gunicorn would start a worker that exits again and again.
check_configuration()
_settings = ServerSettings.load()

bind = f"{_settings.host}:{_settings.port}"
workers = 1  # an instance has one budget and one set of clients; Cloud Run scales by instances
threads = _settings.concurrency + PLACES_BESIDE + 4  # for a health check in a full house, and to turn others away
worker_connections = threads + 1000  # gunicorn's own 1000 would hold back a CONCURRENCY near that
worker_class = Worker
timeout = 0  # Cloud Run has the request timeout, and we the deadline
graceful_timeout = 7  # `replicator.ending` takes 5, the last metrics 2; Cloud Run allows 10
forwarder_headers = ""  # nobody in front of us says by a header which path was meant
keepalive = 620  # longer than the load balancer's 600 s, so that it is never we who close first
control_socket_disable = True  # nobody manages it from inside the container
errorlog = "-"
loglevel = "error"  # its warnings quote malformed headers


def worker_exit(_server: Any, _worker: Any) -> None:
    """Sends the last metrics, whatever a request still hangs on."""
    closing.close()


def post_worker_init(_worker: Any) -> None:
    """Lets the work know of SIGTERM, too, when a worker has its handlers."""
    stop_serving: Any = signal.getsignal(signal.SIGTERM)

    def end(number: int, frame: Any) -> None:
        ending.announce()
        stop_serving(number, frame)

    signal.signal(signal.SIGTERM, end)
