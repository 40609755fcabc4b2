"""One resumable upload, over the session's own protocol.

The library's uploader cannot take part of a chunk as persisted, reads from files only and sends a round trip per chunk.
https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import base64
import contextlib
import re
from collections.abc import Iterator, Mapping

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from replicator.adapters.gcs_connections import Connections
from replicator.adapters.gcs_resource import answered_object
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import DestinationName, DestinationObject
from replicator.reasons import Reason

CANCEL_TIMEOUT = (5, 5)
"""Seconds to connect, and to wait for an answer."""

MAX_STATUS_QUERIES = 3
"""Times that an unclear answer to the last request is cleared up before the upload is given up."""

PERSISTED = re.compile(r"bytes=0-(\d+)")


class GcsUploadSession:
    """The port `UploadSession`. The URI is a bearer secret: it is neither logged nor part of an error. Since it
    authorises by itself, its requests carry no credentials."""

    def __init__(self, connections: Connections, uri: str, name: DestinationName, size: int) -> None:
        self._connections, self._uri, self._name, self._size = connections, uri, name, size
        self._all = f"bytes */{size}"

    def append(self, offset: int, length: int, chunks: Iterator[memoryview]) -> int:
        content_range = f"bytes {offset}-{offset + length - 1}/{self._size}"
        response = self._put(content_range, chunks, {"Content-Length": str(length)})
        if _is_unclear(response):
            response = self._put(self._all, b"")
        if response is None:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "the upload broke")
        if response.status != 308:
            _raise_translated(response.status)
        return _persisted(response)

    def finish(self, offset: int, chunk: bytes, crc32c: bytes) -> DestinationObject:
        headers = {"X-Goog-Hash": f"crc32c={base64.b64encode(crc32c).decode()}"}
        start = offset
        for _ in range(MAX_STATUS_QUERIES):
            # An empty range cannot be written as one; it is also what asks for the state.
            content_range = f"bytes {start}-{self._size - 1}/{self._size}" if start < self._size else self._all
            response = self._put(content_range, chunk[start - offset :], headers)
            if _is_unclear(response):
                # Is the object visible? The session knows. Asking may finish it, so the checksum goes along.
                response = self._put(self._all, b"", headers)
            if response is None:
                continue
            if response.status in (200, 201):
                return answered_object(self._name, response.data)
            if response.status != 308:
                _raise_translated(response.status)
            start = _persisted(response)
            if start < offset:
                break
        raise Transient(Reason.DESTINATION_UNAVAILABLE, "the upload could not be finished")

    def cancel(self) -> None:
        # An abandoned session goes away by itself within a week; deleting it only spares that time.
        with contextlib.suppress(HTTPError, OSError):
            self._connections.send("DELETE", self._uri, {}, timeout=CANCEL_TIMEOUT)

    def _put(
        self, content_range: str, body: Iterator[memoryview] | bytes, headers: Mapping[str, str] | None = None
    ) -> BaseHTTPResponse | None:
        """`None` when no answer came, so that it is unclear what Cloud Storage holds."""
        try:
            return self._connections.send("PUT", self._uri, {"Content-Range": content_range, **(headers or {})}, body)
        except (HTTPError, OSError):
            return None


def _is_unclear(response: BaseHTTPResponse | None) -> bool:
    """Whether only the session itself can tell what became of the request."""
    return response is None or response.status in (408, 429) or response.status >= 500


def _persisted(response: BaseHTTPResponse) -> int:
    """Bytes held from the object's start on; without a Range header there are none."""
    match = PERSISTED.fullmatch(response.headers.get("Range", ""))
    return int(match[1]) + 1 if match else 0


def _raise_translated(status: int) -> None:
    if status == 412:
        raise DestinationMoved
    if status in (401, 403):
        raise Permanent(Reason.DESTINATION_ACCESS_DENIED, f"status {status}")
    if status == 400:
        # Everything else that could be invalid was accepted when the session began.
        raise Transient(Reason.CHECKSUM_MISMATCH, "Cloud Storage computes another CRC32C")
    raise Transient(Reason.DESTINATION_UNAVAILABLE, f"the upload session ended with status {status}")
