"""As much of Cloud Storage's XML API as a multipart upload needs, for clients that speak nothing else.

It computes the bytes' CRC32C and forgets the bytes. `GET /` lists what it has, as JSON, and forgets that too.

https://cloud.google.com/storage/docs/xml-api/post-object-multipart
"""

import json
import sys
from dataclasses import dataclass, field
from functools import reduce
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from awscrt.checksums import combine_crc32c, crc32c

from tests.bench.answering import say

PIECE = 4 * 1024 * 1024


class Bytes(NamedTuple):
    """What is left of them."""

    size: int = 0
    crc32c: int = 0

    def followed_by(self, other: "Bytes") -> "Bytes":
        return Bytes(self.size + other.size, combine_crc32c(self.crc32c, other.crc32c, other.size))


@dataclass
class Held:
    """The objects, and the parts of uploads that are not complete. Safe from several threads."""

    objects: dict[str, Bytes] = field(default_factory=dict)
    uploads: dict[str, dict[int, Bytes]] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)

    def begin(self) -> str:
        with self.lock:
            upload = str(len(self.uploads))
            self.uploads[upload] = {}
            return upload

    def complete(self, name: str, upload: str) -> None:
        with self.lock:
            parts = self.uploads[upload]
            self.objects[name] = reduce(Bytes.followed_by, (parts[number] for number in sorted(parts)), Bytes())


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    held = Held()

    def do_PUT(self) -> None:
        name, query = self._target()
        content = self._content()
        if "partNumber" in query:
            self.held.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = content
        else:
            self.held.objects[name] = content
        self._send(b"", ETag=f'"{content.crc32c:08x}"')

    def do_POST(self) -> None:
        name, query = self._target()
        self._content()
        bucket, _, key = name.partition("/")
        if "uploads" in query:
            root, inside = "InitiateMultipartUploadResult", f"<UploadId>{self.held.begin()}</UploadId>"
        else:
            self.held.complete(name, query["uploadId"][0])
            root, inside = "CompleteMultipartUploadResult", '<Location>/</Location><ETag>"complete"</ETag>'
        body = f"<{root}><Bucket>{bucket}</Bucket><Key>{key}</Key>{inside}</{root}>"
        self._send(b'<?xml version="1.0" encoding="UTF-8"?>' + body.encode())

    def do_GET(self) -> None:
        with self.held.lock:
            body = json.dumps(self.held.objects).encode()
            self.held.objects.clear()
        self._send(body)

    def log_message(self, format: str, *args: object) -> None:
        """A line for each request would be measured too."""

    def _target(self) -> tuple[str, dict[str, list[str]]]:
        parts = urlsplit(self.path)
        return unquote(parts.path).removeprefix("/"), parse_qs(parts.query, keep_blank_values=True)

    def _content(self) -> Bytes:
        left = int(self.headers.get("Content-Length") or 0)
        buffer = memoryview(bytearray(min(PIECE, left)))
        size, crc = left, 0
        while left:
            count = self.rfile.readinto(buffer[:left])
            if not count:
                raise ConnectionError("the body ended early")
            crc = crc32c(buffer[:count], crc)
            left -= count
        return Bytes(size, crc)

    def _send(self, body: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


if __name__ == "__main__":
    server = _Server(("127.0.0.1", 0), Connection)
    Thread(target=server.serve_forever, daemon=True).start()
    say(url=f"http://127.0.0.1:{server.server_port}")
    sys.stdin.read()
