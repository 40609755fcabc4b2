"""Calls over gRPC, as the proxy passes them on: unary ones of one method, one after the other.

Of HTTP/2 (https://www.rfc-editor.org/rfc/rfc9113) it knows what that takes; of the headers it reads none.
https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import socket
from collections.abc import Mapping

import grpc

from tests.proof.wire.http1 import Answer
from tests.proof.wire.sockets import Reader

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0, 1, 4, 6, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4


class Http2:
    """One client's connection. `target` is an address and the method, with a slash between them."""

    alpn = "h2"

    def __init__(self, client: socket.socket, target: str) -> None:
        self._client, self._reader = client, Reader(client)
        self._address, _, self._method = target.partition("/")
        self.head = f"POST /{self._method}"
        self._begun = False
        self._stream, self._message = 0, b""

    body_length = 0

    def next_request(self) -> bool:
        try:
            if not self._begun:
                self._reader.exactly(len(PREFACE))
                self._client.sendall(_frame(SETTINGS, 0, 0, b""))
                self._begun = True
            return self._next_call()
        except EOFError:
            return False

    def _next_call(self) -> bool:
        self._message = b""
        while True:
            head = self._reader.exactly(9)
            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:])
            payload = self._reader.exactly(int.from_bytes(head[:3]))
            if kind in (SETTINGS, PING) and not flags & ACK:
                self._client.sendall(_frame(kind, ACK, 0, payload if kind == PING else b""))
            if kind == DATA:
                self._stream = stream
                self._message += payload
                if payload:  # the connection may take as much again
                    self._client.sendall(_frame(WINDOW_UPDATE, 0, 0, len(payload).to_bytes(4)))
                if flags & END_STREAM:
                    return True

    def take(self) -> None:
        """It is all there."""

    def forwarded(self) -> Answer:
        with grpc.insecure_channel(self._address) as channel:
            try:
                message = channel.unary_unary(f"/{self._method}")(self._message[5:], timeout=30)
            except grpc.RpcError as error:
                return self._trailers(error.code().value[0])
        body = b"\0" + len(message).to_bytes(4) + message
        return self._framed(200, b"application/grpc", body, _literal(b"grpc-status", b"0"))

    def forward_part(self, count: int) -> None:
        raise NotImplementedError("a call is one message")

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        """One that something between client and server gave, which speaks HTTP only."""
        kind = headers.get("Content-Type", "text/plain").encode()
        return self._framed(status, kind, body, None)

    def refused(self, code: grpc.StatusCode, text: str) -> Answer:
        """The server's own error."""
        return self._trailers(code.value[0], text)

    def message(self, message: bytes) -> Answer:
        """An answer with this message, which may be any bytes."""
        body = b"\0" + len(message).to_bytes(4) + message
        return self._framed(200, b"application/grpc", body, _literal(b"grpc-status", b"0"))

    def _trailers(self, code: int, text: str = "") -> Answer:
        fields = b"\x88" + _literal(b"content-type", b"application/grpc") + _literal(b"grpc-status", b"%d" % code)
        fields += _literal(b"grpc-message", text.encode())
        return Answer(_frame(HEADERS, END_HEADERS | END_STREAM, self._stream, fields), b"")

    def _framed(self, status: int, kind: bytes, body: bytes, trailers: bytes | None) -> Answer:
        fields = _literal(b":status", b"%d" % status) + _literal(b"content-type", kind)
        head = _frame(HEADERS, END_HEADERS, self._stream, fields)
        if trailers is None:
            return Answer(head, _frame(DATA, END_STREAM, self._stream, body))
        end_of_call = _frame(HEADERS, END_HEADERS | END_STREAM, self._stream, trailers)
        return Answer(head, _frame(DATA, 0, self._stream, body) + end_of_call)


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _literal(name: bytes, value: bytes) -> bytes:
    """A header field as it is, of fewer than 127 bytes each (https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2)."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
