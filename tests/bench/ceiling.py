"""What the links themselves can do, so that it is visible that it is not they that are measured."""

import socket
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from threading import Barrier, Thread

from tests.bench import places, plain
from tests.bench.child import Child
from tests.bench.network import link_to, url_of
from tests.bench.results import LinkRates

MIB = 1024**2
PINGS = 20
CONNECTIONS = 32


def measured(folder: Path, amount: int) -> LinkRates:
    """`amount` is the bytes that each connection moves."""
    command = [places.PYTHON, "-m", "tests.bench.plain"]
    with Child(command, places.base_environment(), folder / "plain.log") as servers:
        giver, taker = (f"http://127.0.0.1:{servers.ready[name]}" for name in ("giver", "taker"))
        with link_to(giver, folder) as near, link_to(taker, folder) as far:
            source, sink = (int(url_of(link).rpartition(":")[2]) for link in (near, far))
            before = near.ask()["cpu"]
            through = _rate(lambda barrier: _pass_on(source, sink, amount, barrier), CONNECTIONS, amount)
            cpu = (near.ask()["cpu"] - before) / (CONNECTIONS * amount / 1024**3)
            down = _rate(lambda barrier: _download(source, amount, barrier), 1, amount)
            up = _rate(lambda barrier: _upload(sink, amount, barrier), 1, amount)
            return LinkRates(_ping(source), down, up, through, cpu)


def _rate(move: Callable[[Barrier], None], connections: int, amount: int) -> float:
    barrier = Barrier(connections + 1)
    threads = [Thread(target=move, args=(barrier,)) for _ in range(connections)]
    for thread in threads:
        thread.start()
    barrier.wait()
    started = time.monotonic()
    for thread in threads:
        thread.join()
    return connections * amount / MIB / (time.monotonic() - started)


def _ping(port: int) -> float:
    buffer = memoryview(bytearray(8))
    times = []
    with _connected(port, buffer) as connection:
        for _ in range(PINGS):
            started = time.monotonic()
            connection.sendall((1).to_bytes(8))
            plain.received(connection, buffer, 1)
            times.append(time.monotonic() - started)
    return median(times)


def _download(port: int, amount: int, barrier: Barrier) -> None:
    buffer = memoryview(bytearray(plain.PIECE))
    with _connected(port, buffer) as connection:
        barrier.wait()
        connection.sendall(amount.to_bytes(8))
        plain.received(connection, buffer, amount)


def _upload(port: int, amount: int, barrier: Barrier) -> None:
    buffer = memoryview(bytearray(plain.PIECE))
    with socket.create_connection(("127.0.0.1", port)) as connection:
        barrier.wait()
        connection.sendall(amount.to_bytes(8))
        plain.sent(connection, buffer, amount)
        plain.received(connection, buffer, 1)


def _pass_on(source: int, sink: int, amount: int, barrier: Barrier) -> None:
    buffer = memoryview(bytearray(plain.PIECE))
    with _connected(source, buffer) as near, socket.create_connection(("127.0.0.1", sink)) as far:
        barrier.wait()
        near.sendall(amount.to_bytes(8))
        far.sendall(amount.to_bytes(8))
        left = amount
        while left:
            got = near.recv_into(buffer[: min(left, len(buffer))])
            if not got:
                raise EOFError
            far.sendall(buffer[:got])
            left -= got
        plain.received(far, buffer, 1)


def _connected(port: int, buffer: memoryview) -> socket.socket:
    """A connection to the giver whose handshake is over."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall((1).to_bytes(8))
    plain.received(connection, buffer, 1)
    return connection
