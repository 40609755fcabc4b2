"""A proxy between the service and one of its sides, which does to chosen requests what networks and servers do.

It takes one request off a connection after the other and passes it on, or lets a fault have its way with it. Which
requests a fault strikes is told by a pattern of their heads, and how many it lets pass before.
"""

import re
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Protocol, Self

from tests.proof.wire.http1 import Answer, Http1
from tests.proof.wire.http2 import Http2
from tests.proof.wire.sockets import end

Link = Http1 | Http2


class Fault(Protocol):
    def meet(self, exchange: "Exchange") -> None:
        """Has its way with the request. Raises `OSError` or `EOFError` where the client is gone meanwhile."""


@dataclass(slots=True)
class Strike:
    """Strikes the requests whose heads `pattern` is found in, after the first `skip` of them; `times` of them, or all
    that come."""

    fault: Fault
    pattern: str
    skip: int = 0
    times: int | None = 1
    struck: int = 0
    _seen: int = 0

    def strikes(self, head: str) -> bool:
        if not re.search(self.pattern, head) or self.spent:
            return False
        self._seen += 1
        self.struck += self._seen > self.skip
        return self._seen > self.skip

    @property
    def spent(self) -> bool:
        return self.times is not None and self.struck >= self.times


@dataclass
class Proxy:
    """In front of `target`. With `tls` it is a server with that certificate, and what is behind it needs none.

    `requested` has the head of each request; `passed` is told it once a request that may change something was passed
    on, before its client has the answer.
    """

    target: str
    link: type[Link] = Http1
    tls: ssl.SSLContext | None = None
    passed: Callable[[str], None] = lambda head: None
    requested: list[str] = field(default_factory=list)
    strikes: list[Strike] = field(default_factory=list)
    spoilt: "Callable[[socket.socket], None] | None" = None
    """What becomes of new connections, for as many as `spoils` says; None is for ever."""
    spoils: int | None = 0

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._lock = threading.Lock()
        self._clients: set[socket.socket] = set()
        self._calm = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()
        end(self._listener)
        self._accepting.join()
        self.end_all()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.address}"

    @property
    def pending(self) -> list[Strike]:
        """Those that have not had their way: a test that expects all of them to have struck sees none."""
        return [strike for strike in self.strikes if not strike.spent]

    def meet(self, fault: Fault, pattern: str, skip: int = 0, times: int | None = 1) -> Strike:
        strike = Strike(fault, pattern, skip, times)
        self.strikes.append(strike)
        return strike

    def clear(self) -> None:
        """From now on all is well; what stalls, ends."""
        self.strikes.clear()
        self.spoilt, self.spoils = None, 0
        self._calm.set()
        self._calm = threading.Event()

    def stall(self, seconds: float) -> None:
        self._calm.wait(seconds)

    def spoil(self, how: "Callable[[socket.socket], None]", connections: int | None) -> None:
        """Ends all connections, and does so to new ones."""
        self.spoilt, self.spoils = how, connections
        self.end_all()

    def end_all(self) -> None:
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        connection = client
        try:
            with self._lock:
                spoilt = self.spoilt if self.spoils != 0 else None
                if spoilt and self.spoils:
                    self.spoils -= 1
            if spoilt:
                spoilt(client)
                return
            if self.tls:
                connection = self.tls.wrap_socket(client, server_side=True)
                with self._lock:
                    self._clients.discard(client)
                    self._clients.add(connection)
            self._pass_on(connection)
        except (OSError, EOFError):
            pass  # the client is gone, or its connection was to end like that
        finally:
            with self._lock:
                self._clients -= {client, connection}
            end(connection)

    def _pass_on(self, client: socket.socket) -> None:
        link = self.link(client, self.target)
        while link.next_request():
            with self._lock:
                self.requested.append(link.head)
                fault = next((strike.fault for strike in self.strikes if strike.strikes(link.head)), None)
            exchange = Exchange(self, link, client)
            if fault:
                fault.meet(exchange)
            else:
                exchange.pass_on()


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request, and the client that waits for its answer."""

    proxy: Proxy
    link: Link
    client: socket.socket

    def forwarded(self) -> Answer:
        answer = self.link.forwarded()
        self.proxy.passed(self.link.head)
        return answer.at_https() if self.proxy.tls else answer

    def pass_on(self) -> None:
        """What a client reads, it gets as it comes: it may be large, and not wanted to the end."""
        if isinstance(self.link, Http1) and self.link.head.startswith("GET "):
            with closing(self.link.answers()) as answers:
                for answer in answers:
                    self.send(answer)
        else:
            self.send(self.forwarded())

    def send(self, answer: Answer) -> None:
        self.client.sendall(answer.head + answer.body)
        if answer.last:
            self.over()

    def over(self, *, reset: bool = False) -> None:
        """Ends the connection."""
        end(self.client, reset=reset)
        raise EOFError
