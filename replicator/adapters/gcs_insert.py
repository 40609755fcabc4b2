"""The body of a one-request insert: the resource, then the bytes, sent as they lie in memory.

https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object (multipart, RFC 2387)
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from replicator.adapters.gcs_connections import PIECE

JOINED_UP_TO = 128 * 1024
"""Bytes of a body that are copied together, which costs less than sending its three parts."""


class MultipartBody:
    """May be asked for its bytes again, for a request that is sent again."""

    def __init__(self, resource: Mapping[str, Any], data: memoryview) -> None:
        boundary = secrets.token_hex(16)  # too long to occur in the bytes by chance, and nobody can guess it
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{boundary}\r\nContent-Type: {resource['contentType']}\r\n\r\n"
        )
        self._parts = memoryview(head.encode()), data, memoryview(f"\r\n--{boundary}--\r\n".encode())
        self._length = sum(map(len, self._parts))
        self.headers = {
            "Content-Type": f"multipart/related; boundary={boundary}",
            "Content-Length": str(self._length),
        }

    def content(self) -> bytes | Iterator[memoryview]:
        return b"".join(self._parts) if self._length <= JOINED_UP_TO else self._pieces()

    def _pieces(self) -> Iterator[memoryview]:
        """The time in which each has to be sent is bounded."""
        for part in self._parts:
            for start in range(0, len(part), PIECE):
                yield part[start : start + PIECE]
