"""The hand that writes the source, with little CPU for each request."""

import http.client
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from urllib.parse import quote, urlsplit

from tests.proof.storm.traffic import ARCHIVED, BUCKET, Step

WRITERS = 4
AHEAD = 16
"""Writes that are under way or wait for their writer."""


class Source:
    """The source bucket of an S3, which it makes."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url).netloc
        self._request("PUT", f"/{BUCKET}")
        self._request("PUT", f"/{BUCKET}/{ARCHIVED}", b"x", {"x-amz-storage-class": "GLACIER"})

    def written(self, steps: Sequence[Step]) -> Iterator[Step]:
        """Does them, several at once and those of one key in their order, and yields each when it is done."""
        with ExitStack() as running:
            writers = [running.enter_context(ThreadPoolExecutor(1)) for _ in range(WRITERS)]
            doing: deque[Future[Step]] = deque()
            for step in steps:
                doing.append(writers[zlib.crc32(step.key.encode()) % WRITERS].submit(self._do, step))
                if len(doing) >= AHEAD:
                    yield doing.popleft().result()
            while doing:
                yield doing.popleft().result()

    def _do(self, step: Step) -> Step:
        self._request("DELETE" if step.size is None else "PUT", f"/{BUCKET}/{quote(step.key)}", step.data)
        return step

    def _request(self, method: str, path: str, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        with closing(http.client.HTTPConnection(self._address, timeout=60)) as connection:
            connection.request(method, path, data, headers or {})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 300:
                raise RuntimeError(f"{method} {path}: {answer.status}")
