"""What may go wrong with one request on the wire."""

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from tests.proof.wire.http1 import Answer
from tests.proof.wire.proxy import Exchange

SILENCE = 0.3
"""Seconds that a stall lasts, before the connection ends."""

DRIPS, DRIP_PAUSE = 16, 0.003


class Place(StrEnum):
    """Where in a run of bytes or of calls."""

    FIRST = "first"
    MIDDLE = "middle"
    LAST = "last"

    def of(self, length: int) -> int:
        """Bytes, or calls, before it."""
        return {Place.FIRST: 0, Place.MIDDLE: length // 2, Place.LAST: max(0, length - 1)}[self]


def _up_to(answer: Answer, place: Place) -> bytes:
    """The answer without the rest of its body, or of its head, where that is all of it."""
    if not answer.body:
        return answer.head[: place.of(len(answer.head))]
    return answer.head + answer.body[: place.of(len(answer.body))]


@dataclass(frozen=True, slots=True)
class Undelivered:
    """The connection ends with a reset before the server has heard anything."""

    def meet(self, exchange: Exchange) -> None:
        exchange.link.take()
        exchange.over(reset=True)


@dataclass(frozen=True, slots=True)
class CutRequest:
    """The server gets part of the body, the client a reset."""

    place: Place

    def meet(self, exchange: Exchange) -> None:
        exchange.link.forward_part(self.place.of(exchange.link.body_length))
        exchange.over(reset=True)


@dataclass(frozen=True, slots=True)
class CutAnswer:
    """The server does what it was asked, and the client gets part of the answer: `after` so many bytes of its body, or
    up to a place in it."""

    place: Place = Place.FIRST
    reset: bool = False
    after: int | None = None

    def meet(self, exchange: Exchange) -> None:
        answer = exchange.forwarded()
        part = _up_to(answer, self.place) if self.after is None else answer.head + answer.body[: self.after]
        exchange.client.sendall(part)
        exchange.over(reset=self.reset)


@dataclass(frozen=True, slots=True)
class Stall:
    """Silence, before the request is passed on or in the midst of the answer, and no end to it in time."""

    place: Place | None

    def meet(self, exchange: Exchange) -> None:
        if self.place is None:
            exchange.link.take()
        else:
            exchange.client.sendall(_up_to(exchange.forwarded(), self.place))
        exchange.proxy.stall(SILENCE)
        exchange.over()


@dataclass(frozen=True, slots=True)
class Drip:
    """The answer comes in small pieces."""

    def meet(self, exchange: Exchange) -> None:
        answer = exchange.forwarded()
        data = answer.head + answer.body
        step = -(-len(data) // DRIPS)
        for start in range(0, len(data), step):
            exchange.client.sendall(data[start : start + step])
            time.sleep(DRIP_PAUSE)
        if answer.last:
            exchange.over()


@dataclass(frozen=True, slots=True)
class Twice:
    """The server gets the same request again; the client gets one of the two answers."""

    first: bool

    def meet(self, exchange: Exchange) -> None:
        answers = exchange.forwarded(), exchange.forwarded()
        exchange.send(answers[0 if self.first else 1])


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer in place of the server's, which has heard nothing; or, if it is `delivered`, has done its work."""

    make: Callable[[Exchange], Answer]
    delivered: bool = False

    def meet(self, exchange: Exchange) -> None:
        if self.delivered:
            exchange.forwarded()
        else:
            exchange.link.take()
        exchange.send(self.make(exchange))


@dataclass(frozen=True, slots=True)
class Alter:
    """The server's answer, but changed."""

    change: Callable[[Answer], Answer]

    def meet(self, exchange: Exchange) -> None:
        exchange.send(self.change(exchange.forwarded()))


def flipped(after: int) -> Alter:
    """One bit of that byte of the answer's body is another."""

    def change(answer: Answer) -> Answer:
        body = bytearray(answer.body)
        body[after] ^= 1
        return answer.with_body(bytes(body))

    return Alter(change)


@dataclass(frozen=True, slots=True)
class Spoil:
    """All connections end, and so do the next ones, or all from now on, while they are made."""

    how: Callable[[socket.socket], None]
    connections: int | None

    def meet(self, exchange: Exchange) -> None:
        exchange.proxy.spoil(self.how, self.connections)
        exchange.over()


@dataclass(frozen=True, slots=True)
class Do:
    """Nothing goes wrong on the wire; something else happens once the request is passed on."""

    action: Callable[[], None]

    def meet(self, exchange: Exchange) -> None:
        answer = exchange.forwarded()
        self.action()
        exchange.send(answer)
