"""HTTP/1.1 on one connection: requests in, responses or failures out."""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from threading import Event
from typing import cast
from urllib.parse import parse_qs

from replicator.dev.cloud_storage.faults import Answer, Faults, Flip, Garble, LoseAnswer, PersistAtMost, Reset, Stall
from replicator.dev.cloud_storage.messages import ApiError, Request, Response, Stream
from replicator.dev.cloud_storage.request_body import BrokenBody, RequestBody, Source
from replicator.dev.cloud_storage.request_log import RequestLog, ServedRequest

_log = logging.getLogger(__name__)
_PHRASES = {308: "Resume Incomplete", 499: "Client Closed Request"}
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Service:
    """What every connection shares."""

    handle: Callable[[Request], Response]
    faults: Faults
    requests: RequestLog
    stopping: Event
    fallback_host: Callable[[], str]


class Connection(BaseHTTPRequestHandler):
    """Made by the server for each connection; `service` is set on a subclass."""

    service: Service
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        request = self._request()
        try:
            response = self._meet_fault(request)
            request.body.drain()
        except BrokenBody:
            self._abort(request)
            return
        try:
            self._send(request, response)
        except OSError:
            self.close_connection = True

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        _log.debug(format, *args)

    def _request(self) -> Request:
        path, _, query = self.path.partition("?")
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        length = None if chunked else int(self.headers.get("Content-Length") or 0)
        # A proxy in between is what the client called, and must be in the links it gets.
        host = self.headers.get("Host") or self.service.fallback_host()
        return Request(
            method=self.command,
            target=self.path,
            path=path,
            query=parse_qs(query, keep_blank_values=True),
            headers=self.headers,
            body=RequestBody(cast(Source, self.rfile), length),
            base_url=f"http://{host}",
        )

    def _meet_fault(self, request: Request) -> Response:
        action = self.service.faults.take(request.method, request.target, request.upload_kind)
        match action:
            case Answer(status, retry_after):
                request.body.drain()
                response = ApiError(status, "backendError", "A fault that was asked for").response()
                if retry_after is not None:
                    response.headers["Retry-After"] = str(retry_after)
                return response
            case Reset(after_bytes):
                self._interrupt(request.body, after_bytes, _break_off)
            case Stall():
                self._interrupt(request.body, action.after_bytes, lambda: self._stall(action))
            case Flip(byte):
                request.body.flip(byte if byte is not None else (request.body.length or 0) // 2)
            case PersistAtMost(count):
                request.persist_at_most = count
        response = self._handle(request)
        match action:
            case LoseAnswer():
                raise BrokenBody("a fault that was asked for")
            case Garble(body):
                response.body = body
        return response

    def _handle(self, request: Request) -> Response:
        try:
            return self.service.handle(request)
        except ApiError as error:
            return error.response()
        except BrokenBody:
            raise
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            return ApiError(500, "internalError", "Internal error: see the server's log").response()

    def _interrupt(self, body: RequestBody, after: int, act: Callable[[], None]) -> None:
        if after == 0 or body.length == 0:
            act()
        else:
            body.interrupt(after, act)

    def _stall(self, stall: Stall) -> None:
        if stall.reached is not None:
            stall.reached.set()
        if stall.until is None:
            self.service.stopping.wait(stall.seconds)
            return
        while not (stall.until.wait(_POLL_SECONDS) or self.service.stopping.is_set()):
            pass

    def _send(self, request: Request, response: Response) -> None:
        self._record(request, response.status)
        body = response.body
        length = body.length if isinstance(body, Stream) else len(body)
        headers = dict(response.headers)
        if length is None:
            headers["Transfer-Encoding"] = "chunked"
        elif response.status not in {204, 304}:
            headers["Content-Length"] = str(length)
        phrase = _PHRASES.get(response.status) or HTTPStatus(response.status).phrase
        lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, "\r\n"]).encode("latin-1", "replace")
        if isinstance(body, bytes):
            self.connection.sendall(head + body)
            return
        self.connection.sendall(head)
        for block in body.blocks:
            if length is not None:
                self.connection.sendall(block)
            elif len(block):
                self.connection.sendall(b"%x\r\n" % len(block) + bytes(block) + b"\r\n")
        if length is None:
            self.connection.sendall(b"0\r\n\r\n")

    def _abort(self, request: Request) -> None:
        """End with a reset, so that the client cannot take the end of the connection for an answer."""
        self._record(request, None)
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            # The two files made for the connection hold it open as well.
            self.rfile.close()
            self.wfile.close()
            self.connection.close()

    def _record(self, request: Request, status: int | None) -> None:
        _, _, query = request.target.partition("?")
        self.service.requests.add(ServedRequest(request.method, request.path, query, status))


def _break_off() -> None:
    raise BrokenBody("a fault that was asked for")
