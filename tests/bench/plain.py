"""Two servers that do next to nothing, to measure a link with: one gives bytes, one takes them.

A client asks with a number in eight bytes. The giver answers with so many bytes. The taker wants so many bytes, and
answers with one when it has them.
"""

import socket
import sys
from collections.abc import Callable
from threading import Thread

from tests.bench.answering import say

PIECE = 1024 * 1024


def received(connection: socket.socket, buffer: memoryview, count: int) -> None:
    """Takes exactly `count` bytes, and keeps no more than the last of them. Raises `EOFError` when they end before."""
    while count:
        got = connection.recv_into(buffer[: min(count, len(buffer))])
        if not got:
            raise EOFError
        count -= got


def sent(connection: socket.socket, buffer: memoryview, count: int) -> None:
    while count:
        piece = buffer[: min(count, len(buffer))]
        connection.sendall(piece)
        count -= len(piece)


def asked(connection: socket.socket, buffer: memoryview) -> int:
    received(connection, buffer[:8], 8)
    return int.from_bytes(buffer[:8])


def give(connection: socket.socket, buffer: memoryview) -> None:
    sent(connection, buffer, asked(connection, buffer))


def take(connection: socket.socket, buffer: memoryview) -> None:
    received(connection, buffer, asked(connection, buffer))
    connection.sendall(b"!")


def serve(step: Callable[[socket.socket, memoryview], None]) -> int:
    """Serves in threads of its own; returns the port."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)

    def talk(connection: socket.socket) -> None:
        buffer = memoryview(bytearray(PIECE))
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while True:
                    step(connection, buffer)
            except (EOFError, OSError):
                return  # the client is done

    def listen() -> None:
        while True:
            connection, _ = listener.accept()
            Thread(target=talk, args=(connection,), daemon=True).start()

    Thread(target=listen, daemon=True).start()
    port: int = listener.getsockname()[1]
    return port


if __name__ == "__main__":
    say(giver=serve(give), taker=serve(take))
    sys.stdin.read()
