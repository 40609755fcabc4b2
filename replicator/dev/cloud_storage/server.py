"""The server: an address, its buckets, and the handles that tests hold."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterable
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any, Self

from replicator.dev.cloud_storage.connection import Connection, Service
from replicator.dev.cloud_storage.contents import Medium
from replicator.dev.cloud_storage.discarding import DiscardingMedium
from replicator.dev.cloud_storage.faults import Faults
from replicator.dev.cloud_storage.folder import FolderMedium
from replicator.dev.cloud_storage.memory import MemoryMedium
from replicator.dev.cloud_storage.request_log import RequestLog
from replicator.dev.cloud_storage.resources import new_bucket
from replicator.dev.cloud_storage.router import Router
from replicator.dev.cloud_storage.sessions import Sessions
from replicator.dev.cloud_storage.store import Store

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.02  # how soon `stop` is noticed


class CloudStorageServer:
    """A Cloud Storage server with the JSON API, for running and testing without a cloud.

    Without a `folder` objects live in memory; with one they are ordinary files in it, and are there again for
    the next server on the same folder. `port` 0 takes a free one. `report_md5` costs three quarters of the speed:
    without it objects have only a CRC32C, as composed ones always do. With `discard` their bytes are checked and thrown
    away: all works but reading them. Whoever tests permissions has all but the `denied` ones, which nothing else heeds.

    Not implemented: identities, ACLs, noncurrent versions in a folder, soft delete, notifications, batches, XML.
    Sessions end with the server.
    """

    def __init__(
        self,
        *,
        folder: Path | None = None,
        buckets: Iterable[str] = (),
        host: str = "127.0.0.1",
        port: int = 0,
        report_md5: bool = True,
        discard: bool = False,
    ) -> None:
        self.faults = Faults()
        self.requests = RequestLog()
        self.denied: set[str] = set()
        self._store = Store(_medium(folder, discard), report_md5=report_md5)
        self._sessions = Sessions(self._store)
        self._address = (host, port)
        self._stopping = Event()
        self._http: _HttpServer | None = None
        self._thread: Thread | None = None
        existing = {bucket.name for bucket in self._store.buckets()}
        for name in buckets:
            if name not in existing:
                self.create_bucket(name)

    @property
    def url(self) -> str:
        """The endpoint for clients. Raises RuntimeError before the first start."""
        if self._http is None:
            raise RuntimeError("the server was not started")
        return "http://{}:{}".format(*self._address)

    def create_bucket(self, name: str, **settings: Any) -> None:
        """Also while the server is stopped. `settings` are fields of the bucket resource, such as `location`.

        Raises ApiError: 409 when the bucket exists, 400 for a name that is not allowed.
        """
        self._store.create_bucket(new_bucket({"name": name, **settings}, time.time_ns() // 1000))

    def start(self) -> Self:
        """Listen, and serve in threads of its own. Raises OSError when the port is taken."""
        self._stopping.clear()
        service = Service(
            handle=Router(self._store, self._sessions, self.denied).handle,
            faults=self.faults,
            requests=self.requests,
            stopping=self._stopping,
            fallback_host=lambda: self.url.removeprefix("http://"),
        )
        self._http = _HttpServer(self._address, type("ServiceConnection", (Connection,), {"service": service}))
        self._address = (self._address[0], self._http.server_port)  # a restart keeps the port
        self._thread = Thread(target=self._http.serve_forever, args=(_POLL_SECONDS,), name="cloud-storage", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Cut all connections and stop listening. May be repeated. Objects stay, and `start` serves them again."""
        self._stopping.set()
        if self._http is not None and self._thread is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http.cut_connections()
            self._thread.join()
            self._thread = None
        self._sessions.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _medium(folder: Path | None, discard: bool) -> Medium:
    if discard:
        return DiscardingMedium()
    return MemoryMedium() if folder is None else FolderMedium(folder)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def __init__(self, address: tuple[str, int], handler: type[Connection]) -> None:
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's
        """Called for what went wrong outside of any operation, above all a client that went away."""
        _log.debug("a connection from %s failed", client_address, exc_info=True)

    def cut_connections(self) -> None:
        with self._lock:
            for connection in self._connections:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue
