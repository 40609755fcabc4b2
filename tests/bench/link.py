"""A TCP proxy that puts a distance between two sides on loopback. It needs no privileges.

    python -m tests.bench.link TARGET_HOST TARGET_PORT ONE_WAY_SECONDS WINDOW_BYTES

Each direction of each connection delivers every byte `ONE_WAY_SECONDS` after it was received, in order, and has at
most `WINDOW_BYTES` under way: sent, and not yet known to be delivered, which takes the way back too. So one connection
moves a window per round trip. A handshake costs a round trip. What is not imitated: loss, slow start (the window is
open at once, which favours those with few connections), and a limit for all connections together.

One thread and an event loop; bytes are moved in large pieces, and never looked at.
"""

import heapq
import json
import os
import select
import socket
import struct
import sys
import time
from collections import deque
from collections.abc import Callable

from tests.bench.answering import say
from tests.bench.turns import Turn

PIECE = 256 * 1024
SMALL = 16 * 1024
"""A piece of at most this many bytes is copied out of its buffer, so that few bytes do not hold a large one."""

SOCKET_BUFFER = 256 * 1024
"""What the kernel holds beside the window should be small against it."""


class Loop:
    """Sockets that are ready, and things that are due."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._watched: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self._running = True

    def watch(self, descriptor: int, events: int, ready: Callable[[int], None]) -> None:
        """Replaces what was watched for; no `events` watch for nothing, not even for the other end to be gone."""
        before, _ = self._watched.get(descriptor, (0, None))
        if events == before:
            return
        if not events:
            self._epoll.unregister(descriptor)
            del self._watched[descriptor]
            return
        (self._epoll.modify if before else self._epoll.register)(descriptor, events)
        self._watched[descriptor] = events, ready

    def later(self, due: float, act: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._due, (due, self._count, act))

    def stop(self) -> None:
        self._running = False

    def run(self) -> None:
        while self._running:
            # select() waits to the microsecond; epoll rounds to a millisecond, which would be seen.
            timeout = max(0.0, self._due[0][0] - time.monotonic()) if self._due else None
            select.select([self._epoll], [], [], timeout)
            for descriptor, events in self._epoll.poll(0):
                if watched := self._watched.get(descriptor):
                    watched[1](events)
            now = time.monotonic()
            while self._due and self._due[0][0] <= now:
                heapq.heappop(self._due)[2]()


class Buffers:
    """Used again, since touching fresh memory costs more than moving the bytes."""

    def __init__(self) -> None:
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        return self._free.pop() if self._free else memoryview(bytearray(PIECE))

    def give(self, buffer: memoryview) -> None:
        self._free.append(buffer)


class Flow:
    """One direction of a connection: from one socket to the other."""

    def __init__(self, link: "Link", connection: "Connection", source: socket.socket, sink: socket.socket) -> None:
        self._link, self._connection = link, connection
        self._source, self._sink = source, sink
        self._arrived: deque[tuple[memoryview, memoryview | None]] = deque()
        self._under_way = 0
        self._ended = False
        self.done = False

    @property
    def wants_to_read(self) -> bool:
        return not self._ended and self._under_way < self._link.window

    @property
    def wants_to_write(self) -> bool:
        return bool(self._arrived)

    def read(self, now: float) -> int:
        """Takes what there is, up to the window, and sends it on its way."""
        buffer = self._link.buffers.take()
        room = min(PIECE, self._link.window - self._under_way)
        try:
            count = self._source.recv_into(buffer[:room])
        except BlockingIOError:
            self._link.buffers.give(buffer)
            return 0
        self._under_way += count
        piece: tuple[memoryview, memoryview | None] = (buffer[:count], buffer)
        if count <= SMALL:
            piece = (memoryview(bytes(buffer[:count])), None)
            self._link.buffers.give(buffer)
        self._ended = not count
        self._link.loop.later(now + self._link.delay, lambda: self._connection.arrive(self, piece))
        return count

    def arrive(self, piece: tuple[memoryview, memoryview | None]) -> None:
        self._arrived.append(piece)

    def write(self, now: float) -> None:
        """Delivers what has arrived, as far as the socket takes it; an empty piece is the end."""
        while self._arrived:
            data, buffer = self._arrived[0]
            if not data:
                self._arrived.popleft()
                self._sink.shutdown(socket.SHUT_WR)
                self.done = True
                return
            try:
                sent = self._sink.send(data)
            except BlockingIOError:
                return
            self._link.loop.later(now + self._link.delay, lambda sent=sent: self._acknowledge(sent))  # type: ignore[misc]
            if sent < len(data):
                self._arrived[0] = data[sent:], buffer
                return
            self._arrived.popleft()
            if buffer is not None:
                self._link.buffers.give(buffer)

    def _acknowledge(self, count: int) -> None:
        self._under_way -= count
        self._connection.watch()


class Connection:
    """A client's connection and ours to the target."""

    def __init__(self, link: "Link", client: socket.socket, server: socket.socket) -> None:
        self._link, self._client, self._server = link, client, server
        self._there, self._back = Flow(link, self, client, server), Flow(link, self, server, client)
        self._open = True
        self._asked: float | None = None

    def watch(self) -> None:
        """For what the two directions can use now."""
        if self._open:
            self._watch(self._client, self._there, self._back, self._on_client)
            self._watch(self._server, self._back, self._there, self._on_server)

    def arrive(self, flow: Flow, piece: tuple[memoryview, memoryview | None]) -> None:
        if not self._open:
            return
        flow.arrive(piece)
        self._guarded(lambda: self._deliver(flow))

    def _watch(self, side: socket.socket, reading: Flow, writing: Flow, ready: Callable[[int], None]) -> None:
        events = select.EPOLLIN * reading.wants_to_read | select.EPOLLOUT * writing.wants_to_write
        self._link.loop.watch(side.fileno(), events, ready)

    def _on_client(self, events: int) -> None:
        self._guarded(lambda: self._move(events, self._there, self._back))

    def _on_server(self, events: int) -> None:
        self._guarded(lambda: self._move(events, self._back, self._there))

    def _move(self, events: int, reading: Flow, writing: Flow) -> None:
        if events & select.EPOLLOUT:
            self._deliver(writing)
        if events & ~select.EPOLLOUT and reading.wants_to_read:
            now = time.monotonic()
            if reading.read(now) and reading is self._there and self._asked is None:
                self._asked = now

    def _deliver(self, flow: Flow) -> None:
        now = time.monotonic()
        flow.write(now)
        if flow is self._back and self._asked is not None:
            self._link.turns.append(Turn(self._asked, now, connection=False))
            self._asked = None

    def _guarded(self, step: Callable[[], None]) -> None:
        if not self._open:
            return
        try:
            step()
        except OSError:
            self._close(reset=True)
        else:
            if self._there.done and self._back.done:
                self._close(reset=False)
            self.watch()

    def _close(self, *, reset: bool) -> None:
        self._open = False
        for side in (self._client, self._server):
            self._link.loop.watch(side.fileno(), 0, self._on_client)
            if reset:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.close()


class Link:
    """Listens on loopback and keeps everybody at a distance from `target`."""

    def __init__(self, target: tuple[str, int], delay: float, window: int) -> None:
        self.delay, self.window = delay, window
        self.loop, self.buffers = Loop(), Buffers()
        self.turns: list[Turn] = []
        self._target = target
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)  # inherited by what it accepts
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1024)
        self._listener.setblocking(False)
        self.loop.watch(self._listener.fileno(), select.EPOLLIN, self._accept)

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def _accept(self, _events: int) -> None:
        client, _ = self._listener.accept()
        server = socket.socket()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
        try:
            server.connect(self._target)
        except OSError:
            client.close()
            server.close()
            return
        for side in (client, server):
            side.setblocking(False)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            side.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
        now = time.monotonic()
        established = now + 2 * self.delay
        self.turns.append(Turn(now, established, connection=True))
        self.loop.later(established, Connection(self, client, server).watch)


def main() -> None:
    host, port, delay, window = sys.argv[1:]
    link = Link((host, int(port)), float(delay), int(window))

    def on_question(_events: int) -> None:
        """The only question is for the turns since the last one."""
        if not os.read(0, 4096):
            link.loop.stop()
            return
        say(turns=link.turns, cpu=time.process_time())
        link.turns.clear()

    link.loop.watch(0, select.EPOLLIN, on_question)
    sys.stdout.write(json.dumps({"port": link.port}) + "\n")
    sys.stdout.flush()
    link.loop.run()


if __name__ == "__main__":
    main()
