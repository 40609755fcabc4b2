"""Reads what a protocol needs off a socket, and ends connections in the ways that networks do."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress


class Reader:
    """The bytes of one connection, in order. Raises `EOFError` where it ends before them."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._read = bytearray()

    def through(self, mark: bytes) -> bytes:
        while mark not in self._read:
            self._more()
        end = self._read.index(mark) + len(mark)
        return self._take(end)

    def exactly(self, count: int) -> bytes:
        while len(self._read) < count:
            self._more()
        return self._take(count)

    def pieces(self, count: int) -> Iterator[bytes]:
        """So many bytes, as they come."""
        while count:
            if not self._read:
                self._more()
            piece = self._take(min(count, len(self._read)))
            count -= len(piece)
            yield piece

    def to_the_end(self) -> bytes:
        with suppress(EOFError, ConnectionError):
            while True:
                self._more()
        return self._take(len(self._read))

    def _more(self) -> None:
        data = self._connection.recv(256 * 1024)
        if not data:
            raise EOFError
        self._read += data

    def _take(self, count: int) -> bytes:
        taken = bytes(self._read[:count])
        del self._read[:count]
        return taken


def end(connection: socket.socket, *, reset: bool = False) -> None:
    """In order, or with a reset. A thread that reads from it meets the end."""
    with suppress(OSError):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD if reset else socket.SHUT_RDWR)
    connection.close()
