"""The distance is what it is said to be. Only least times are asserted: a busy machine makes everything later."""

import random
import socket
import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from tests.bench import places, plain
from tests.bench.child import Child, ChildError
from tests.bench.link import Buffers, Flow, Loop
from tests.bench.turns import Turn, in_sequence

DELAY = 0.02
WINDOW = 64 * 1024


@pytest.fixture
def link_to(tmp_path):
    """Starts a link to a port."""
    links = []

    def start(port: int) -> Child:
        command = [places.PYTHON, "-m", "tests.bench.link", "127.0.0.1", str(port), str(DELAY), str(WINDOW)]
        links.append(Child(command, places.base_environment(), tmp_path / "link.log"))
        return links[-1]

    yield start
    for link in links:
        link.stop()


@pytest.fixture
def peers():
    """Both ends of a connection through a link: a listener, and what it accepts."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        yield listener


def connected(link: Child) -> socket.socket:
    return socket.create_connection(("127.0.0.1", link.ready["port"]), timeout=20)


def port_of(listener: socket.socket) -> int:
    return listener.getsockname()[1]


def test_bytes_arrive_whole_and_in_order(link_to, peers):
    data = random.Random(7).randbytes(5 * WINDOW + 12_345)
    with connected(link_to(port_of(peers))) as client:
        client.sendall(b"go")
        server, _ = peers.accept()
        with closing(server):
            server.settimeout(20)
            assert server.recv(10) == b"go"
            server.sendall(data[: 3 * WINDOW])
            server.sendall(data[3 * WINDOW :])
            server.shutdown(socket.SHUT_WR)
            with client.makefile("rb") as received:
                assert received.read() == data
            client.sendall(b"and this way still works")
            client.shutdown(socket.SHUT_WR)
            with server.makefile("rb") as received:
                assert received.read() == b"and this way still works"


def test_a_handshake_and_a_question_take_a_round_trip_each(link_to):
    link = link_to(plain.serve(plain.give))
    started = time.monotonic()
    with connected(link) as client:
        client.sendall((1).to_bytes(8))
        assert client.recv(1)
        first = time.monotonic()
        client.sendall((1).to_bytes(8))
        assert client.recv(1)
        second = time.monotonic()
    assert first - started >= 4 * DELAY
    assert second - first >= 2 * DELAY
    turns = [Turn(*turn) for turn in link.ask()["turns"]]
    assert [turn.connection for turn in turns] == [True, False, False]
    assert in_sequence(turns) == 3
    assert link.ask()["turns"] == []


@pytest.mark.parametrize("step", [plain.give, plain.take])
def test_a_connection_moves_no_more_than_a_window_in_a_round_trip(link_to, step):
    windows = 8
    buffer = memoryview(bytearray(WINDOW))
    with connected(link_to(plain.serve(step))) as client:
        started = time.monotonic()
        client.sendall((windows * WINDOW).to_bytes(8))
        if step is plain.give:
            plain.received(client, buffer, windows * WINDOW)
        else:
            plain.sent(client, buffer, windows * WINDOW)
            plain.received(client, buffer, 1)
    assert time.monotonic() - started >= (windows - 1) * 2 * DELAY


def test_connections_do_not_wait_for_each_other(link_to, peers):
    """One whose bytes nobody takes leaves the others alone."""
    link = link_to(port_of(peers))
    with connected(link) as stuck, connected(link) as free:
        stuck.sendall(bytes(WINDOW))
        free.sendall(b"ping")
        accepted = [peers.accept()[0] for _ in range(2)]
        try:
            assert b"ping" in [first_bytes(side) for side in accepted]
        finally:
            for side in accepted:
                side.close()


def first_bytes(side: socket.socket) -> bytes:
    side.settimeout(20)
    return side.recv(4)


def test_a_reset_is_passed_on(link_to, peers):
    with connected(link_to(port_of(peers))) as client:
        client.sendall(b"go")
        server, _ = peers.accept()
        server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        server.close()
        client.settimeout(20)
        with pytest.raises(ConnectionResetError):
            client.recv(10)


class Reluctant:
    """A socket that takes three bytes at a time, and every other time none."""

    def __init__(self) -> None:
        self.taken, self._willing = b"", False

    def send(self, data: memoryview) -> int:
        self._willing = not self._willing
        if not self._willing:
            raise BlockingIOError
        self.taken += data[:3]
        return len(data[:3])


def test_what_a_socket_does_not_take_at_once_is_sent_later():
    sink = Reluctant()
    around = SimpleNamespace(loop=Loop(), buffers=Buffers(), delay=0, window=WINDOW)
    flow = Flow(around, SimpleNamespace(watch=lambda: None), None, sink)
    for piece in (b"some bytes", b" and more"):
        flow.arrive((memoryview(piece), None))
    while flow.wants_to_write:
        flow.write(now=0)
    assert sink.taken == b"some bytes and more"


def test_a_process_that_refuses_says_why(tmp_path):
    command = [places.PYTHON, "-m", "tests.bench.link", "127.0.0.1", "none", "0", "1"]
    with pytest.raises(ChildError, match="ValueError"):
        Child(command, places.base_environment(), tmp_path / "log")
