"""Requests as bytes, for what no client library sends."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

MARK = "do-not-repeat-this"
"""In requests that are no HTTP: an answer or a line that has it repeats them."""

BODY = b'{"bucket":"nobody-s","key":"k"}'
CLOSE = b"Host: x\r\nConnection: close\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
GET = b"GET /health HTTP/1.1\r\n" + CLOSE
MARKED = MARK.encode()


def post(*headers: bytes, body: bytes = BODY) -> bytes:
    return b"POST /v1/replicate HTTP/1.1\r\n" + CLOSE + b"".join(headers) + b"\r\n" + body


def get(target: bytes, version: bytes = b"HTTP/1.1", method: bytes = b"GET") -> bytes:
    return method + b" " + target + b" " + version + b"\r\n" + CLOSE + b"\r\n"


def chunked(rest: bytes, coding: bytes = b"chunked") -> bytes:
    return post(b"Transfer-Encoding: " + coding + b"\r\n", body=rest)


REFUSED: dict[str, bytes] = {
    "the same length twice": post(LENGTH, LENGTH),
    "two lengths": post(LENGTH, b"Content-Length: 5\r\n"),
    "a list of lengths": post(b"Content-Length: 31, 31\r\n"),
    "a negative length": post(b"Content-Length: -1\r\n"),
    "a signed length": post(b"Content-Length: +31\r\n"),
    "a length in words": post(b"Content-Length: " + MARKED + b"\r\n"),
    "a length of 5,000 digits": post(b"Content-Length: " + b"9" * 5000 + b"\r\n"),
    "length and chunks": post(LENGTH, b"Transfer-Encoding: chunked\r\n"),
    "chunks twice": chunked(b"0\r\n\r\n", b"chunked, chunked"),
    "an unknown coding": chunked(b"0\r\n\r\n", MARKED),
    "no coding": chunked(b"0\r\n\r\n", b"identity"),
    "a chunk of no length": chunked(b"zz\r\n"),
    "a negative chunk": chunked(b"-1\r\n"),
    "a long chunk extension": chunked(b"1f;" + b"a" * 100_000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "many trailers": chunked(b"1f\r\n" + BODY + b"\r\n0\r\n" + b"X: y\r\n" * 20_000 + b"\r\n"),
    "a broken absolute form": get(b"http://[::1" + MARKED),
    "another authority": get(b"evil.example:443", method=b"CONNECT"),
    "an asterisk": get(b"*", method=b"OPTIONS"),
    "a method of 5,000 letters": get(b"/", method=b"A" * 5000),
    "a method in small letters": get(b"/health", method=b"get"),
    "a method with a number sign": get(b"/health", method=b"GE#T"),
    "a method that is not ASCII": get(b"/health", method="GÄT".encode()),
    "an unknown method": get(b"/v1/replicate", method=b"BREW"),
    "TRACE": get(b"/", method=b"TRACE"),
    "PUT": get(b"/v1/replicate", method=b"PUT"),
    "a target of 100 kB": get(b"/" + b"a" * 100_000),
    "a target of 4 kB": get(b"/" + b"a" * 4000),
    "a target that is not encoded": get("/ä".encode()),
    "a target that is not UTF-8": get(b"/v1/object/replica-bucket/%ff%zz"),
    "a target with a space": get(b"/a " + MARKED),
    "a target with a null": get(b"/%00"),
    "a target with a line feed": get(b"/v1/object/replica-bucket/k%0d%0aX-Injected:%201"),
    "a target of two slashes": get(b"//evil.example/health"),
    "a target above the root": get(b"/../../etc/passwd"),
    "another bucket above": get(b"/v1/object/replica-bucket/../other-bucket/k"),
    "a query with what is not UTF-8": get(b"/v1/object?bucket=%ff&key=k"),
    "a parameter twice": get(b"/v1/object?bucket=replica-bucket&key=a&key=b"),
    "a generation of 400 digits": get(b"/v1/object?bucket=replica-bucket&key=a&generation=" + b"9" * 400),
    "the reserved prefix": get(b"/v1/object/replica-bucket/.replicator/k", method=b"DELETE"),
    "a query of 3,000 parameters": get(b"/v1/object?" + b"&".join(b"x" for _ in range(3000))),
    "5,000 headers": GET + b"".join(b"X-%d: y\r\n" % number for number in range(5000)) + b"\r\n",
    "a header of 100 kB": GET + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    "two hosts": GET + b"Host: y\r\n\r\n",
    "a folded header": GET + b"X: 1\r\n  " + MARKED + b"\r\n\r\n",
    "a null in a header": GET + b"X: " + MARKED + b"\x00\r\n\r\n",
    "a carriage return in a header": GET + b"X: " + MARKED + b"\rX-Injected: 1\r\n\r\n",
    "a header without a colon": GET + MARKED + b"\r\n\r\n",
    "a space before the colon": GET + MARKED + b" : 1\r\n\r\n",
    "contradictory proxies": GET + b"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n",
    "line feeds alone": b"GET /health HTTP/1.1\nHost: x\n\n",
    "HTTP 0.9": b"GET /health\r\n\r\n",
    "HTTP 3.7": get(b"/health", b"HTTP/3.7"),
    "HTTP 2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n",
    "a proxy's line": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + get(b"/health"),
    "an unknown expectation": post(LENGTH, b"Expect: " + MARKED + b"\r\n"),
    "a content type of control characters": post(LENGTH, b"Content-Type: \x01" + MARKED + b"\r\n"),
    "a gzip bomb's coding": post(LENGTH, b"Content-Encoding: gzip\r\n"),
    "a form": post(LENGTH, b"Content-Type: multipart/form-data; boundary=x\r\n"),
    "another bucket": post(LENGTH),
    "a trace with a line": post(
        LENGTH, b"traceparent: 00-" + MARKED, b"\r\nX-Cloud-Trace-Context: " + MARKED + b"\r\n"
    ),
}
"""What is refused: with a status from 400 to 499."""

HARMLESS: dict[str, bytes] = {
    "the absolute form": get(b"http://evil.example/health"),
    "no host": b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
    "a host that is none": b"GET /health HTTP/1.1\r\nHost: a b<" + MARKED + b">:abc\r\nConnection: close\r\n\r\n",
    "a host that is not ASCII": b"GET /health HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
    "no name of a host": b"GET /health HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n",
    "a script's name": GET + b"SCRIPT_NAME: /" + MARKED + b"\r\n\r\n",
    "a script's name that fits": GET + b"SCRIPT_NAME: /health\r\n\r\n",
    "a path's name": GET + b"PATH_INFO: /" + MARKED + b"\r\n\r\n",
    "an upgrade": b"GET /health HTTP/1.0\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "90 headers": GET + b"".join(b"X-%d: y\r\n" % number for number in range(90)) + b"\r\n",
    "a trace that is none": GET + b"traceparent: 00-" + MARKED + b"\r\nX-Cloud-Trace-Context: " + MARKED + b"\r\n\r\n",
    "HTTP 1.0": b"GET /health HTTP/1.0\r\n\r\n",
}
"""Odd requests to `/health`, which are answered as any other."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict:
        return json.loads(self.body)


def exchange(url: str, request: bytes, timeout: float = 60) -> Answer:
    """Sends bytes, and reads one answer. Raises `ValueError` for an answer that is no HTTP."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=timeout) as connection:
        with suppress(OSError):  # an early refusal: what it says is there to be read
            connection.sendall(request)
        with connection.makefile("rb") as answered:
            line = answered.readline()
            headers = {}
            while field := answered.readline().strip():
                name, _, value = field.decode("latin-1").partition(":")
                headers[name.lower()] = value.strip()
            body = answered.read(int(headers["content-length"])) if "content-length" in headers else answered.read()
    return Answer(int(line.split()[1]), headers, body)
