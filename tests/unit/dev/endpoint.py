"""A tiny HTTP endpoint that answers what it is told to, and remembers what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SILENCE = 0
"""In place of a status: no answer, until the endpoint is left."""


@dataclass
class Endpoint:
    """Answers with `statuses` in turn, and with the last one from then on."""

    statuses: list[int]
    url: str = ""
    requests: list[tuple[dict[str, str], object]] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    released: threading.Event = field(default_factory=threading.Event)
    full: threading.Barrier | None = None
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def next_status(self, headers, body) -> int:
        with self.lock:
            self.requests.append((headers, json.loads(body)))
            self.arrived.release()
            return self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]


@contextmanager
def endpoint(*statuses: int) -> Iterator[Endpoint]:
    state = Endpoint(list(statuses))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with state.lock:
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
            if state.full is not None:
                state.full.wait(5)
            status = state.next_status(dict(self.headers), body)
            with state.lock:
                state.at_once -= 1
            if status == SILENCE:
                state.released.wait(5)
                return
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield state
        finally:
            state.released.set()
            server.shutdown()
            thread.join()
