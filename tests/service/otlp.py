"""A receiver of OTLP over HTTP: decodes what is sent to it as a collector would."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

Point = tuple[str, dict[str, str], Any]
"""An instrument, its attributes, and its value; of a histogram (count, sum)."""


class Receiver:
    """`resource` and `points` are those of the last export. While `go_on` is not set, no request is answered."""

    def __init__(self) -> None:
        self.url = ""
        self.go_on = threading.Event()
        self.go_on.set()
        self.asked = threading.Event()
        self.resource: dict[str, str] = {}
        self.points: list[Point] = []
        self._changed = threading.Condition()

    def wait_for(self, done: Callable[[list[Point]], bool], seconds: float = 30) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: done(self.points), seconds), self.points

    def value(self, name: str, **attributes: str) -> Any:
        """The sum of the values of all points that have these attributes."""
        found = [
            value for instrument, of, value in self.points if instrument == name and attributes.items() <= of.items()
        ]
        return tuple(map(sum, zip(*found, strict=True))) if found and isinstance(found[0], tuple) else sum(found)

    def take(self, body: bytes) -> None:
        export = ExportMetricsServiceRequest.FromString(body)
        with self._changed:
            self.points = []
            for resource in export.resource_metrics:
                self.resource = {item.key: item.value.string_value for item in resource.resource.attributes}
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        self.points += [
                            (metric.name, *_read(point))
                            for point in getattr(metric, metric.WhichOneof("data")).data_points
                        ]
            self._changed.notify_all()


def _read(point: Any) -> tuple[dict[str, str], Any]:
    attributes = {item.key: item.value.string_value for item in point.attributes}
    return attributes, (point.count, point.sum) if hasattr(point, "bucket_counts") else point.as_int


@contextmanager
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.asked.set()
            found.go_on.wait(60)
            found.take(body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None:
            """The service may be gone before it is answered."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        found.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
