"""The body of a multipart upload: one JSON part, one media part."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from mmap import mmap

from replicator.dev.cloud_storage.messages import JsonObject, invalid, parse_json_object


@dataclass(frozen=True, slots=True)
class Parts:
    """`media` is a view of the body: nothing is copied."""

    resource: JsonObject
    content_type: str | None
    media: memoryview


def split(headers: Message, body: memoryview) -> Parts:
    """Raises ApiError (400) when the body is not two parts between boundaries (RFC 2387).

    The closing boundary is sought from the end, because media may be large and may contain anything.
    """
    boundary = headers.get_boundary()
    if headers.get_content_type() != "multipart/related" or not boundary:
        raise invalid("A multipart upload needs Content-Type: multipart/related; boundary=…")
    data = body.obj
    if not isinstance(data, bytes | bytearray | mmap):
        raise TypeError("the body must be a view of something that can be searched")
    if data.find(f"--{boundary}".encode(), 0, len(body)) < 0:
        boundary = boundary.strip("'")  # gcloud quotes like this, which RFC 2045 does not know
    delimiter = b"--" + boundary.encode()
    first = data.find(delimiter, 0, len(body))
    second = data.find(b"\n" + delimiter, first + len(delimiter), len(body))
    end = data.rfind(b"\n" + delimiter + b"--", 0, len(body))
    if first < 0 or second < 0 or end <= second:
        raise invalid("The multipart body does not have two parts")
    if data[end - 1 : end] == b"\r":
        end -= 1
    _, resource = _part(body, data, data.find(b"\n", first) + 1, second)
    media_headers, media = _part(body, data, data.find(b"\n", second + 1) + 1, end)
    return Parts(parse_json_object(resource), media_headers.get("Content-Type"), media)


def _part(body: memoryview, data: bytes | bytearray | mmap, start: int, end: int) -> tuple[Message, memoryview]:
    if data[start : start + 2] == b"\r\n":
        return Message(), body[start + 2 : end]
    separator = b"\r\n\r\n" if data.find(b"\r\n\r\n", start, end + 4) >= 0 else b"\n\n"
    blank = data.find(separator, start, end + 4)
    if blank < 0:
        raise invalid("A part of the multipart body has no headers")
    return BytesHeaderParser().parsebytes(bytes(data[start:blank])), body[min(blank + len(separator), end) : end]
