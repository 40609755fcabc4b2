"""gunicorn's threads, but for two things: how what is no HTTP is refused, and how long a peer may take.

gunicorn itself would answer in HTML with the text of its error, which repeats the request, in two cases with a 5xx; and
a peer that announces a body and never sends it would hold a thread for as long as it likes.
"""

import socket
from contextlib import suppress
from time import monotonic
from typing import Any

from gunicorn.http import errors, get_parser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import write_nonblock
from gunicorn.workers.gthread import TConn, ThreadWorker
from werkzeug.wrappers import Response

from replicator.errors import Permanent
from replicator.reasons import Reason
from replicator.telemetry import log_error, log_unexpected
from replicator.web.answers import problem

PATIENCE_SECONDS = 10
"""For a whole request to arrive, and then for its answer to be taken: both are small."""

STATUSES = {errors.ExpectationFailed: 417, errors.LimitRequestLine: 414, errors.LimitRequestHeaders: 431}
"""Of what is refused before it reaches a door; everything else is 400."""

OUR_OWN = (errors.InvalidResponseHeader, errors.InvalidResponseHeaderName)
"""Errors about an answer, which gunicorn derives from those about a request."""


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """One process's threads."""

    def handle(self, conn: TConn) -> Any:
        if conn.parser is None:
            conn.parser = get_parser(self.cfg, conn.sock, conn.client)
            conn.parser.unreader = _Impatient(conn.sock)
        conn.parser.unreader.begin()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        try:
            return super().handle_request(req, conn)
        except TimeoutError:  # nobody takes the answer
            raise errors.NoMoreData from None

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:  # noqa: ARG002
        """Answers what never became a request, and what became of one that nobody foresaw."""
        if isinstance(exc, errors.ParseException) and not isinstance(exc, OUR_OWN):
            log_error(Permanent(Reason.REQUEST_MALFORMED, "not HTTP as it should be"))
            answer = problem(STATUSES.get(type(exc), 400), Reason.REQUEST_MALFORMED, "not HTTP as it should be")
        else:
            log_unexpected(exc)
            answer = problem(500, Reason.UNEXPECTED)
        with suppress(OSError):
            write_nonblock(client, _encoded(answer))


class _Impatient(SocketUnreader):  # type: ignore[misc]
    """Reads a connection's requests, each for so long and no longer."""

    def begin(self) -> None:
        self._until = monotonic() + PATIENCE_SECONDS

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Raises `NoMoreData` when time is up: with it gunicorn closes the connection, and says nothing."""
        self.sock.settimeout(max(self._until - monotonic(), 0.001))  # what is already here is read in any case
        try:
            return bytes(super().chunk(size_hint))
        except TimeoutError:
            raise errors.NoMoreData from None
        finally:
            self.sock.settimeout(PATIENCE_SECONDS)  # for sending


def _encoded(answer: Response) -> bytes:
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers)
    return f"HTTP/1.1 {answer.status}\r\nConnection: close\r\n{headers}\r\n".encode("latin-1") + answer.get_data()
