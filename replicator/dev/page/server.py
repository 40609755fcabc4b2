"""The server: an address, and threads that answer there."""

import socket
from threading import Thread
from types import TracebackType
from typing import Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request

from replicator.dev.page.routes import Page, Parts
from replicator.dev.sockets import url_of


class PageServer:
    """Serves the page on `listener` while `with` lasts; leaving it ends the open streams."""

    def __init__(self, listener: socket.socket, parts: Parts) -> None:
        host, port = listener.getsockname()
        self.url = f"{url_of(listener)}/dev"
        self._hub = parts.hub
        listener.listen(128)
        app = Request.application(Page(parts, own_host=host))
        self._server = make_server(host, port, app, threaded=True, request_handler=_Quiet, fd=listener.fileno())
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="page", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hub.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """The server would print a line for each request."""
