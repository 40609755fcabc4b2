"""An S3 whose answers are written down byte for byte: it says exactly what a test scripts."""

import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import parse_qs, urlsplit

from replicator.adapters.s3 import S3Source
from replicator.model import AwsKeys, SourceKey, SourceObject

KEY = SourceKey("source", "k")
MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODIFIED_HEADER = "Fri, 02 Jan 2026 03:04:05 GMT"
MD5 = "5d41402abc4b2a76b9719d911017c592"
OLD_KEYS = AwsKeys("OLDKEYID", "old-secret")
NEW_KEYS = AwsKeys("NEWKEYID", "new-secret", "new-token")
ERROR_TEXT = "the text of S3's error"


@dataclass(frozen=True)
class Answer:
    """One HTTP response. It is `cut` by a close or a reset after so many bytes of the body, or not given at all."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    cut: str | None = None


def found(body: bytes = b"", *, length: int | None = None, cut: str | None = None, **headers: str) -> Answer:
    """The object, as S3 answers a GET (and a HEAD, without the body). Underscores in names stand for hyphens."""
    fields = {"ETag": f'"{MD5}"', "Last_Modified": MODIFIED_HEADER, **headers}
    return Answer(
        206 if "Content_Range" in fields else 200,
        {name.replace("_", "-"): value for name, value in fields.items() if value},
        body,
        length,
        cut,
    )


def error(status: int, code: str | None = None, text: str = ERROR_TEXT) -> Answer:
    """As S3 answers an error; without a code it has no body, as for a HEAD."""
    body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>" if code else ""
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


def head_refused(status: int) -> list[Answer]:
    """After a 400 the SDK asks for the bucket's region, and learns nothing here."""
    return [error(status)] * (2 if status == 400 else 1)


@dataclass(frozen=True)
class Received:
    """A request, with the names of its headers in lower case."""

    method: str
    target: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @property
    def is_lean(self) -> bool:
        """Whether it is not the SDK's own."""
        return "amz-sdk-invocation-id" not in self.headers

    @property
    def access_key_id(self) -> str:
        return self.headers["authorization"].partition("Credential=")[2].partition("/")[0]


class ScriptedS3(ThreadingTCPServer):
    """Gives the answers in `script`, one for each request, and keeps the requests. A lean GET that is refused does not
    count: it leaves the answer in the script."""

    daemon_threads = True
    scheme = "http"

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[Received] = []
        self.refused_lean: list[Received] = []
        self.connections = 0
        super().__init__(("127.0.0.1", 0), _Connection)

    def get_request(self):
        self.connections += 1
        return super().get_request()

    @property
    def url(self) -> str:
        return "{}://{}:{}".format(self.scheme, *self.server_address)


class _Connection(StreamRequestHandler):
    server: ScriptedS3

    def handle(self) -> None:
        while request := self._read():
            answer = self.server.script[0] if self.server.script else error(501, "NotInTheScript")
            if request.is_lean and request.method == "GET" and answer.status >= 300:
                # The SDK asks for the same again, and that is the request which a test is about.
                self.server.refused_lean.append(request)
            else:
                self.server.requests.append(request)
                del self.server.script[:1]
            if answer.cut == "unanswered":
                return
            length = len(answer.body) if answer.length is None else answer.length
            fields = {**answer.headers, "Content-Length": str(length)}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            body = b"" if request.method == "HEAD" else answer.body
            self.wfile.write(f"HTTP/1.1 {answer.status} Status\r\n{head}\r\n".encode() + body)
            self.wfile.flush()
            if answer.cut == "reset":
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if answer.cut:
                return

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _read(self) -> Received | None:
        try:
            line = self.rfile.readline().decode()
            if not line:
                return None
            headers = {}
            while field_line := self.rfile.readline().decode().strip():
                name, _, value = field_line.partition(":")
                headers[name.lower()] = value.strip()
        except OSError:
            return None
        method, target, _ = line.split(" ", 2)
        url = urlsplit(target)
        return Received(method, target, url.path, parse_qs(url.query, keep_blank_values=True), headers)


def pinned(**properties) -> SourceObject:
    """The state that a test's server is at, unless it says otherwise."""
    return replace(SourceObject(KEY, MD5, None, MODIFIED, size=5), **properties)


class Keys:
    """A `KeyStore` that has `keys`, and `next_keys` once it is asked to renew them."""

    def __init__(self, keys: AwsKeys, next_keys: AwsKeys) -> None:
        self.keys, self.next_keys = keys, next_keys
        self.rejected: list[AwsKeys] = []

    def current(self) -> AwsKeys:
        return self.keys

    def renew(self, rejected: AwsKeys) -> bool:
        self.rejected.append(rejected)
        self.keys = self.next_keys
        return self.keys != rejected


def read(side: S3Source, state: SourceObject, offset: int = 0, length: int | None = None, step: int = 1000) -> bytes:
    data = b""
    with side.open(state, offset, length) as body:
        while count := body.readinto(memoryview(buffer := bytearray(step))):
            data += buffer[:count]
    return data


@contextmanager
def scripted_s3(certificate: Path | None = None) -> Iterator[ScriptedS3]:
    """With a certificate, and its key, by TLS."""
    with ScriptedS3() as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            server.scheme = "https"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
