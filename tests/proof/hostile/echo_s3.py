"""An S3 that has every key, and holds under each the key itself: bytes that arrive show which key was read."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, unquote_to_bytes


def content(key: str) -> bytes:
    return f"this is {key}".encode(errors="surrogatepass")


def target(bucket: str, key: str) -> str:
    """The request target by which a client of S3 that encodes all there is to encode asks for a key."""
    return f"/{bucket}/{quote(key, safe='/', errors='surrogatepass')}"


class EchoS3(ThreadingHTTPServer):
    """`targets` are the request targets for objects, as they were sent."""

    daemon_threads = True

    def __init__(self) -> None:
        self.targets: list[str] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EchoS3

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        key = path.removeprefix("/").partition("/")[2]
        if not key:
            return self._answer(200, b"<ListBucketResult></ListBucketResult>")
        self.server.targets.append(path)
        data = b"this is " + unquote_to_bytes(key)
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return self._answer(200, data, ETag=f'"{etag}"', Last_Modified="Thu, 01 Jan 2026 00:00:00 GMT")

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        self._answer(200, b"")

    def do_DELETE(self) -> None:
        self._answer(204, b"")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def echo_s3() -> Iterator[EchoS3]:
    with EchoS3() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
