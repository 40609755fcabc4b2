"""Answers that no server gave, or that were not what it gave."""

from functools import partial

import grpc

from tests.proof.wire.http1 import Answer
from tests.proof.wire.http2 import Http2
from tests.proof.wire.proxy import Exchange
from tests.proof.wire.s3 import error
from tests.proof.wire.world import Side

CANARY = "canary-in-an-answer"
"""Something that nobody may repeat."""

GRPC = frozenset({Side.SECRETS, Side.PUBSUB})
AWS = frozenset({Side.S3, Side.STS})
GRPC_CODES = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    500: grpc.StatusCode.INTERNAL,
    502: grpc.StatusCode.UNKNOWN,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
AWS_CODES = {
    401: "AccessDenied",
    403: "AccessDenied",
    429: "TooManyRequests",
    500: "InternalError",
    502: "BadGateway",
    503: "SlowDown",
    504: "GatewayTimeout",
}


def refusal(side: Side, status: int, exchange: Exchange, code: str = "", later: bool = False) -> Answer:
    """As the side's own server words it."""
    link = exchange.link
    if isinstance(link, Http2):
        return link.refused(GRPC_CODES[status], CANARY)
    headers = {"Retry-After": "1"} if later else {}
    if side in AWS:
        body = error(code or AWS_CODES[status], CANARY)
        if side is Side.STS:
            body = b"<ErrorResponse>" + body.split(b"\n", 1)[1] + b"</ErrorResponse>"
        return link.answer(status, {**headers, "Content-Type": "application/xml"}, body)
    body = f'{{"error": {{"code": {status}, "message": "{CANARY}"}}}}'.encode()
    return link.answer(status, {**headers, "Content-Type": "application/json"}, body)


def from_in_between(status: int, exchange: Exchange) -> Answer:
    """As a proxy or a portal would answer in the server's place."""
    return exchange.link.answer(status, {"Content-Type": "text/html"}, f"<html>{CANARY}</html>".encode())


page_in_between = partial(from_in_between, 200)


def no_message(exchange: Exchange) -> Answer:
    assert isinstance(exchange.link, Http2)
    return exchange.link.message(b"\xff" * 16)


def empty_message(exchange: Exchange) -> Answer:
    assert isinstance(exchange.link, Http2)
    return exchange.link.message(b"")


def half(answer: Answer) -> Answer:
    return answer.with_body(answer.body[: len(answer.body) // 2])


def backwards(answer: Answer) -> Answer:
    return answer.with_body(answer.body[::-1])


def with_another_body(body: bytes, answer: Answer) -> Answer:
    return answer.with_body(body)


def bare(answer: Answer) -> Answer:
    """The status line, and that there is no body."""
    return Answer(answer.head.split(b"\r\n", 1)[0] + b"\r\nContent-Length: 0\r\n\r\n", b"", answer.last)
