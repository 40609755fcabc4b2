"""The embedded S3: moto's own server, in threads of this process, with objects in memory."""

import socket
from collections.abc import Callable, Collection
from threading import Thread
from types import TracebackType
from typing import Any, Self

from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import FakeKey, s3_backends
from werkzeug.serving import make_server

from replicator.dev.clients import s3_client
from replicator.dev.events import ACCOUNT
from replicator.dev.sockets import url_of
from replicator.dev.writes import WatchedWrites, Write


class EmbeddedS3:
    """Listens on `listener`, and tells `wrote` of each write to one of `buckets`, which exist while it runs.

    moto keeps its objects once per process, so there can be only one at a time in a process.
    """

    def __init__(self, listener: socket.socket, buckets: Collection[str], wrote: Callable[[Write], None]) -> None:
        host, port = listener.getsockname()
        self.url = url_of(listener)
        self._buckets = buckets
        listener.listen(128)
        app = WatchedWrites(create_backend_app("s3"), buckets, wrote)
        self._server = make_server(host, port, app, threaded=True, request_handler=_QuietHandler, fd=listener.fileno())
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="s3", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        client = s3_client(self.url)
        for bucket in self._buckets:
            client.create_bucket(Bucket=bucket)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for bucket in self._buckets:
            _forget(bucket)


def _forget(bucket: str) -> None:
    """Not through the API: moto cannot list keys that XML cannot hold."""
    s3_backends.bucket_accounts.pop(bucket, None)
    for key in s3_backends[ACCOUNT]["aws"].buckets.pop(bucket).keys.values():
        if isinstance(key, FakeKey):  # and no delete marker
            key.dispose()


class _QuietHandler(MotoRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """The server would print a line for each request."""
