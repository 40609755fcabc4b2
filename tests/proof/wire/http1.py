"""Requests over HTTP/1.1, as the proxy passes them on: each over a connection of its own."""

import re
import socket
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from tests.proof.wire.sockets import Reader, end

LENGTH = re.compile(rb"^content-length: *(\d+)\r$", re.IGNORECASE | re.MULTILINE)
CHUNKED = re.compile(rb"^transfer-encoding: *chunked\r$", re.IGNORECASE | re.MULTILINE)
CLOSE = re.compile(rb"^connection: *close\r$", re.IGNORECASE | re.MULTILINE)
FRAMING = re.compile(rb"^(content-length|transfer-encoding): .*\r\n", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Answer:
    """As it goes over the wire; `last` says that the connection ends with it."""

    head: bytes
    body: bytes
    last: bool = False

    def with_body(self, body: bytes) -> "Answer":
        """Another body, of which the head tells the length."""
        head = FRAMING.sub(b"", self.head)
        return Answer(head[:-2] + b"Content-Length: %d\r\n\r\n" % len(body), body, self.last)

    def at_https(self) -> "Answer":
        """What a server without TLS calls itself, as its clients have to call it."""
        return Answer(self.head.replace(b"\nLocation: http://", b"\nLocation: https://"), self.body, self.last)


class Http1:
    """One client's connection. `head` is that of the request at hand."""

    alpn = "http/1.1"

    def __init__(self, client: socket.socket, target: str) -> None:
        self._client, self._reader = client, Reader(client)
        self._target = urlsplit(target)
        self.head = ""
        self._head = b""
        self._body: bytes | None = None

    def next_request(self) -> bool:
        """Waits for the head of the next request; whether there is one."""
        try:
            self._head = self._reader.through(b"\r\n\r\n")
        except EOFError:
            return False
        self.head, self._body = self._head.decode("latin-1"), None
        return True

    @property
    def body_length(self) -> int:
        found = LENGTH.search(self._head)
        return int(found[1]) if found else 0

    def forwarded(self) -> Answer:
        """Passes the request on, and has all of its answer. May be repeated."""
        self.take()
        server = self._connected()
        try:
            server.sendall(self._head + (self._body or b""))
            reader = Reader(server)
            return self._answer(reader.through(b"\r\n\r\n"), reader)
        finally:
            end(server)

    def answers(self) -> Generator[Answer, None, None]:
        """The same, where the answer is a long one: its head with what has come of its body, then the rest."""
        self.take()
        server = self._connected()
        try:
            server.sendall(self._head + (self._body or b""))
            reader = Reader(server)
            head = reader.through(b"\r\n\r\n")
            found = LENGTH.search(head)
            if found and self._has_body(head):
                yield Answer(head, b"")
                for piece in reader.pieces(int(found[1])):
                    yield Answer(b"", piece)
                if CLOSE.search(head):
                    yield Answer(b"", b"", last=True)
            else:
                yield self._answer(head, reader)
        finally:
            end(server)

    def forward_part(self, count: int) -> None:
        """Passes on the head and so many bytes of the body. Returns once the server has given the request up."""
        part = self._reader.exactly(count)
        server = self._connected()
        try:
            server.sendall(self._head + part)
            server.shutdown(socket.SHUT_WR)
            Reader(server).to_the_end()
        finally:
            end(server)

    def take(self) -> None:
        """Takes the rest of the request from the client."""
        if self._body is None:
            self._body = self._reader.exactly(self.body_length)

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """One that no server gave. One to a HEAD has no body."""
        phrase = {308: "Resume Incomplete"}.get(status) or HTTPStatus(status).phrase
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()
        return Answer(head, b"" if self._head.startswith(b"HEAD ") else body)

    def _connected(self) -> socket.socket:
        return socket.create_connection((self._target.hostname, self._target.port), 60)

    def _has_body(self, head: bytes) -> bool:
        return not self._head.startswith(b"HEAD ") and head.split(b" ", 2)[1] not in (b"204", b"304")

    def _answer(self, head: bytes, reader: Reader) -> Answer:
        last = CLOSE.search(head) is not None
        if not self._has_body(head):
            return Answer(head, b"", last)
        if found := LENGTH.search(head):
            return Answer(head, reader.exactly(int(found[1])), last)
        if CHUNKED.search(head):
            return Answer(head, _chunks(reader), last)
        return Answer(head, reader.to_the_end(), True)


def _chunks(reader: Reader) -> bytes:
    """As they came, up to the empty one; without trailers."""
    body = b""
    while True:
        line = reader.through(b"\r\n")
        size = int(line.split(b";")[0], 16)
        body += line + reader.exactly(size + 2)
        if not size:
            return body
