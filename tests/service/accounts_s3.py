"""An S3 with several accounts: each bucket is read with the keys of its own account, and with no others."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

MODIFIED = formatdate(1_760_000_000, usegmt=True)


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Bucket:
    """`keys` are the access key ids that are valid now; `denial` is S3's answer to all of them, if it is to be one."""

    keys: set[str]
    objects: dict[str, bytes] = field(default_factory=dict)
    requester_pays: bool = False
    denial: tuple[str, str] | None = None


@dataclass
class AccountsS3:
    """What the buckets hold and take. `before` is told the number of each request before it is answered; `rejections`
    counts the requests whose keys were not valid."""

    buckets: dict[str, Bucket] = field(default_factory=dict)
    url: str = ""
    rejections: int = 0
    before: Callable[[int], None] = lambda number: None
    _served: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, path: str, headers: dict[str, str]) -> Answer:
        with self._lock:
            self._served += 1
            self.before(self._served)
        name, _, key = path.removeprefix("/").partition("/")
        bucket = self.buckets[name]
        access_key_id = headers["authorization"].partition("Credential=")[2].partition("/")[0]
        if access_key_id not in bucket.keys:
            self.rejections += 1
            known = any(access_key_id in other.keys for other in self.buckets.values())
            return denied("AccessDenied") if known else denied("InvalidAccessKeyId")
        if bucket.requester_pays and headers.get("x-amz-request-payer") != "requester":
            return denied("AccessDenied")
        if bucket.denial:
            return denied(*bucket.denial)
        if not key:
            return Answer(200, {}, b"<ListBucketResult></ListBucketResult>")
        if key not in bucket.objects:
            return Answer(404, {}, b"<Error><Code>NoSuchKey</Code></Error>")
        data = bucket.objects[key]
        etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
        start = int(headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        found = {
            "ETag": f'"{etag}"',
            "Last-Modified": MODIFIED,
            "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
        }
        return Answer(206 if start else 200, found, data[start:])


def denied(code: str, text: str = "Access Denied") -> Answer:
    return Answer(403, {}, f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode())


@contextmanager
def accounts_s3(**buckets: Bucket) -> Iterator[AccountsS3]:
    """A running one; underscores in the names of buckets stand for hyphens."""
    s3 = AccountsS3({name.replace("_", "-"): bucket for name, bucket in buckets.items()})

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = s3.answer(unquote(urlsplit(self.path).path), headers)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(answer.body)

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    s3.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
