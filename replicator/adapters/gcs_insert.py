"""The body of a one-request insert: the resource, then the bytes, sent as they lie in memory.

https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object (multipart, RFC 2387)
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

PIECE = 256 * 1024


class MultipartBody:
    """May be iterated again, for a request that is sent again."""

    def __init__(self, resource: Mapping[str, Any], data: memoryview) -> None:
        boundary = secrets.token_hex(16)  # too long to occur in the bytes by chance, and nobody can guess it
        self.content_type = f"multipart/related; boundary={boundary}"
        head = (
            f"--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{boundary}\r\nContent-Type: {resource['contentType']}\r\n\r\n"
        )
        self._parts: tuple[bytes | memoryview, ...] = (head.encode(), data, f"\r\n--{boundary}--\r\n".encode())

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def __iter__(self) -> Iterator[bytes | memoryview]:
        """In pieces, since urllib3 bounds the time in which each has to be sent."""
        for part in self._parts:
            for start in range(0, len(part), PIECE):
                yield part[start : start + PIECE]
