"""An unsteady S3, in a process of its own: moto, which now and then is busy, resets the connection, or ends too soon.

`python -m tests.proof.storm.source SEED SHARE` prints its URL. When its standard input ends it prints what it did and
is gone. SHARE is the share of the reads that meet a fault; writes are steady.
"""

import json
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from threading import Lock, Thread
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from tests.proof.storm.traffic import BUCKET, FORBIDDEN, LARGE, SMALL

BUSY = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
FAULTS = ("503", "reset", "truncation")


class UnsteadyS3:
    """WSGI middleware around an S3. `counts` says how many bytes were read in which folder, and how often which fault
    struck."""

    def __init__(self, s3: Any, seed: int, share: float) -> None:
        self._s3, self._chance, self._share = s3, random.Random(seed), share
        self._lock = Lock()
        self.counts: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ.setdefault("HTTP_AUTHORIZATION", "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request")
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path.startswith(f"/{FORBIDDEN}"):
            return _answer(start_response, "403 Forbidden", DENIED)
        if method not in ("GET", "HEAD") or not path.startswith(f"/{BUCKET}/") or path == f"/{BUCKET}/":
            return self._s3(environ, start_response)
        match self._fault(method):
            case "503":
                return _answer(start_response, "503 Slow Down", BUSY if method == "GET" else b"")
            case "reset":
                _reset(environ["werkzeug.socket"])
                raise ConnectionResetError
            case "truncation":
                return self._truncated(path, b"".join(self._s3(environ, start_response)))
        body = self._s3(environ, start_response)
        return self._counted(path, body) if method == "GET" else body

    def _fault(self, method: str) -> str | None:
        with self._lock:
            if self._chance.random() >= self._share:
                return None
            fault = self._chance.choice(FAULTS if method == "GET" else FAULTS[:2])
            self.counts[f"S3: {fault}"] += 1
            return fault

    def _counted(self, path: str, body: Iterable[bytes]) -> Iterator[bytes]:
        folder = LARGE if path.startswith(f"/{BUCKET}/{LARGE}") else SMALL
        for piece in body:
            with self._lock:
                self.counts[folder] += len(piece)
            yield piece

    def _truncated(self, path: str, body: bytes) -> Iterator[bytes]:
        """The headers have promised all of it."""
        yield from self._counted(path, [body[: len(body) // 2]])
        raise ConnectionAbortedError


def _answer(start_response: Any, status: str, body: bytes) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """The server would print a line for each request, and the stack of each fault."""

    def connection_dropped(self, error: BaseException, environ: Any = None) -> None:
        self.close_connection = True


def main() -> None:
    unsteady = UnsteadyS3(create_backend_app("s3"), int(sys.argv[1]), float(sys.argv[2]))
    server = make_server("127.0.0.1", 0, unsteady, threaded=True, request_handler=_QuietHandler)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    _say(f"http://127.0.0.1:{server.server_port}")
    sys.stdin.read()
    _say(json.dumps(unsteady.counts))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
