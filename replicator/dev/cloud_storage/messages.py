"""What a request asks, what a response says, and the errors of the JSON API, apart from any socket."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from enum import StrEnum
from typing import Any

from replicator.dev.cloud_storage.request_body import RequestBody

JsonObject = dict[str, Any]


class UploadKind(StrEnum):
    """The ways a request can take part in an upload."""

    MEDIA = "media"
    MULTIPART = "multipart"
    START = "resumable-start"
    CHUNK = "resumable-chunk"
    QUERY = "resumable-query"
    CANCEL = "resumable-cancel"


class ApiError(Exception):
    """A refusal, in the shape of https://cloud.google.com/storage/docs/json_api/v1/status-codes."""

    def __init__(self, status: int, reason: str, message: str, *, plain: bool = False, **location: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self._plain = plain
        self._location = location

    def response(self) -> Response:
        if self.status == 304:
            return Response(304)
        if self._plain:
            return Response(self.status, {"Content-Type": "text/plain; charset=utf-8"}, self.message.encode())
        detail = {"message": self.message, "domain": "global", "reason": self.reason, **self._location}
        return Response.of_json(
            {"error": {"code": self.status, "message": self.message, "errors": [detail]}}, self.status
        )


def invalid(message: str) -> ApiError:
    """The request itself is wrong; repeating it cannot help."""
    return ApiError(400, "invalid", message)


def not_found(message: str) -> ApiError:
    """The bucket, object or session named does not exist."""
    return ApiError(404, "notFound", message)


@dataclass(slots=True)
class Stream:
    """A body sent block by block; without a length it travels in chunked transfer coding."""

    blocks: Iterable[bytes | memoryview]
    length: int | None


@dataclass(slots=True)
class Response:
    """One answer. Content-Length and Transfer-Encoding are the connection's business."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Stream = b""

    @classmethod
    def of_json(cls, resource: Mapping[str, Any], status: int = 200) -> Response:
        body = json.dumps(resource, ensure_ascii=False).encode()
        return cls(status, {"Content-Type": "application/json; charset=UTF-8"}, body)


@dataclass(slots=True)
class Request:
    """One request. `path` is still percent-encoded, so that `%2F` in an object name is not a separator."""

    method: str
    target: str
    path: str
    query: dict[str, list[str]]
    headers: Message
    body: RequestBody
    base_url: str
    persist_at_most: int | None = None

    def param(self, name: str) -> str | None:
        """The first value of a query parameter; None when it is absent or empty."""
        return self.query.get(name, [""])[0] or None

    def number(self, name: str) -> int | None:
        """A whole number from the query. Raises ApiError (400) for anything else."""
        return whole_number(name, self.param(name))

    def json(self) -> JsonObject:
        """The body as a JSON object; empty when there is no body. Raises ApiError (400) for anything else."""
        return parse_json_object(self.body.read_all())

    @property
    def upload_kind(self) -> UploadKind | None:
        if not self.path.startswith(("/upload/", "/resumable/upload/")):
            return None
        if self.param("upload_id") is None:
            kinds = {"media": UploadKind.MEDIA, "multipart": UploadKind.MULTIPART, "resumable": UploadKind.START}
            return kinds.get(self.param("uploadType") or "")
        if self.method == "DELETE":
            return UploadKind.CANCEL
        queries = (self.headers.get("Content-Range") or "").replace(" ", "").startswith("bytes*/")
        return UploadKind.QUERY if queries else UploadKind.CHUNK


def whole_number(name: str, value: object) -> int | None:
    """A 64-bit number as the JSON API carries it: as text or as a number."""
    if value is None:
        return None
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit():
        raise invalid(f"Invalid value for {name}: {text!r}")
    return int(text)


def parse_json_object(data: bytes | bytearray | memoryview) -> JsonObject:
    """Raises ApiError (400, parseError) unless `data` is empty or one JSON object in UTF-8."""
    text = bytes(data).strip()
    if not text:
        return {}
    try:
        parsed = json.loads(text)
    except ValueError as error:
        raise ApiError(400, "parseError", f"The request body is not JSON: {error}") from error
    if not isinstance(parsed, dict):
        raise ApiError(400, "parseError", "The request body is not a JSON object")
    return parsed
