"""A TCP proxy in front of the source that breaks the body of chosen answers."""

import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Break:
    """What happens to the next GET of `path`: after so many bytes of its body the connection ends, in order (a
    truncation) or with a reset; or one bit of the byte there is flipped."""

    after_bytes: int
    path: str
    reset: bool = False
    flip: bool = False


@dataclass
class FaultyProxy:
    """Forwards each connection to `target`. Every break in `breaks` is used once, in order; `requested` has the first
    line of each request."""

    target: str
    breaks: list[Break] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for connection in [self._listener, *self._sockets]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def _accept(self) -> None:
        upstream = urlsplit(self.target)
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection((upstream.hostname, upstream.port))
            self._sockets += [client, server]
            broken = _Connection(self, client, server)
            threading.Thread(target=broken.requests, daemon=True).start()
            threading.Thread(target=broken.answers, daemon=True).start()


class _Connection:
    """One client's connection: requests pass as they are, and name the break that their answer gets."""

    def __init__(self, proxy: FaultyProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self._break: Break | None = None
        self._head = b""
        self._passed = 0

    def requests(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(65536):
                line = data.split(b"\r\n", 1)[0].decode("latin-1")
                self._proxy.requested.append(line)
                breaks = self._proxy.breaks
                if line.startswith("GET ") and breaks and line.split(" ")[1].endswith(breaks[0].path):
                    self._break, self._head, self._passed = breaks.pop(0), b"", 0
                self._server.sendall(data)
        self._close()

    def answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(65536):
                if self._break is None:
                    self._client.sendall(data)
                elif not self._send_broken(data, self._break):
                    break
        self._close()

    def _send_broken(self, data: bytes, fault: Break) -> bool:
        """Returns False when the connection is over."""
        if b"\r\n\r\n" not in self._head:
            self._head += data
            head, separator, data = self._head.partition(b"\r\n\r\n")
            if not separator:
                return True
            self._client.sendall(head + separator)
        point = fault.after_bytes - self._passed
        if point >= len(data):
            self._passed += len(data)
            self._client.sendall(data)
            return True
        if fault.flip:
            self._client.sendall(data[:point] + bytes([data[point] ^ 1]) + data[point + 1 :])
            self._break = None
            return True
        self._client.sendall(data[:point])
        if fault.reset:
            self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    def _close(self) -> None:
        for connection in (self._client, self._server):
            # A shutdown wakes the other thread; without one for writing, a close with no linger is a reset.
            reset = connection is self._client and self._break is not None and self._break.reset
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
            connection.close()
