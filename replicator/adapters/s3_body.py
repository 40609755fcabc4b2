"""The bytes of an answer, counted: a dropped connection must not look like the end."""

import http.client

import urllib3.exceptions
from botocore.exceptions import BotoCoreError

from replicator.adapters.s3_object import Headers
from replicator.adapters.s3_requests import Stream
from replicator.errors import Permanent, Transient
from replicator.reasons import Reason

READ_SIZE = 256 * 1024
"""Most bytes that one read waits for, so that whoever reads can watch the clock."""


class S3Body:
    """The port `Body` on a stream that is to give `expected` bytes. Raises `Transient` where S3 announces others."""

    def __init__(self, stream: Stream, headers: Headers, expected: int) -> None:
        self._stream, self._left = stream, expected
        if headers.get("content-length") != str(expected):
            raise Transient(Reason.SOURCE_TRUNCATED, f"S3 does not announce the {expected} bytes it was asked for")

    def readinto(self, buffer: memoryview) -> int:
        if not self._left:
            return 0
        try:
            count = self._stream.readinto(buffer[: min(self._left, READ_SIZE)])
        except (BotoCoreError, urllib3.exceptions.HTTPError, http.client.HTTPException, OSError) as error:
            raise Transient(Reason.SOURCE_UNAVAILABLE, "the connection broke while reading") from error
        if not count:
            raise Transient(Reason.SOURCE_TRUNCATED, f"{self._left} bytes are missing")
        self._left -= count
        return count


class ArchivedBody:
    """The port `Body` of an object whose bytes S3 does not give before it is restored."""

    def readinto(self, buffer: memoryview) -> int:  # noqa: ARG002
        raise Permanent(Reason.SOURCE_ARCHIVED)
