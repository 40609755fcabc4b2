"""Requests that bring the bytes of new objects."""

from __future__ import annotations

from replicator.dev.cloud_storage.attributes import Attributes, chosen
from replicator.dev.cloud_storage.checksums import Expected
from replicator.dev.cloud_storage.content_range import ContentRange
from replicator.dev.cloud_storage.fields import answer
from replicator.dev.cloud_storage.messages import (
    ApiError,
    JsonObject,
    Request,
    Response,
    UploadKind,
    invalid,
    whole_number,
)
from replicator.dev.cloud_storage.multipart import split
from replicator.dev.cloud_storage.names import check_object_name
from replicator.dev.cloud_storage.object_routes import with_content_type, with_query
from replicator.dev.cloud_storage.preconditions import Preconditions
from replicator.dev.cloud_storage.records import ObjectRecord, ObjectRef
from replicator.dev.cloud_storage.resources import object_resource
from replicator.dev.cloud_storage.sessions import Session, Sessions
from replicator.dev.cloud_storage.store import Store


class UploadRoutes:
    """https://cloud.google.com/storage/docs/uploads-downloads#uploads"""

    def __init__(self, store: Store, sessions: Sessions) -> None:
        self._store = store
        self._sessions = sessions

    def insert(self, request: Request, bucket: str) -> Response:
        self._store.bucket(bucket)
        if request.method != "POST" and request.param("upload_id") is None:
            raise ApiError(405, "methodNotAllowed", "Method Not Allowed")
        match request.upload_kind:
            case UploadKind.MEDIA:
                return self._insert_media(request, bucket)
            case UploadKind.MULTIPART:
                return self._insert_multipart(request, bucket)
            case UploadKind.START:
                return self._start(request, bucket)
            case UploadKind.CANCEL:
                self._sessions.cancel(request.query["upload_id"][0])
                return Response(499)
            case UploadKind.CHUNK | UploadKind.QUERY:
                return self._receive(request)
            case _:
                raise invalid(f"Invalid value for uploadType: {request.param('uploadType')!r}")

    def _insert_media(self, request: Request, bucket: str) -> Response:
        target = _target(request, bucket, {})
        attributes = _attributes(request, {}, request.headers.get("Content-Type"))
        conditions = Preconditions.from_request(request)
        expected = Expected.from_headers(request.headers)
        with self._store.drafting(expected) as draft:
            for block in request.body.blocks(self._store.room):
                draft.write(block)
            return self._answer(request, self._store.insert(target, attributes, draft, conditions, expected))

    def _insert_multipart(self, request: Request, bucket: str) -> Response:
        """The body is held in memory, as clients do: multipart is for small objects."""
        parts = split(request.headers, request.body.read_all(self._store.room))
        target = _target(request, bucket, parts.resource)
        attributes = _attributes(request, parts.resource, parts.content_type)
        conditions = Preconditions.from_request(request)
        expected = _expected(request, parts.resource)
        with self._store.drafting(expected) as draft:
            draft.write(parts.media)
            return self._answer(request, self._store.insert(target, attributes, draft, conditions, expected))

    def _start(self, request: Request, bucket: str) -> Response:
        resource = request.json()
        target = _target(request, bucket, resource)
        expected = _expected(request, resource)
        session = Session(
            target=target,
            attributes=_attributes(request, resource, request.headers.get("X-Upload-Content-Type")),
            preconditions=Preconditions.from_request(request),
            expected=expected,
            draft=self._store.draft(expected),
            total=whole_number("X-Upload-Content-Length", request.headers.get("X-Upload-Content-Length")),
        )
        upload_id = self._sessions.start(session)
        location = f"{request.base_url}{request.path}?uploadType=resumable&upload_id={upload_id}"
        return Response(200, {"Location": location, "X-GUploader-UploadID": upload_id})

    def _receive(self, request: Request) -> Response:
        outcome = self._sessions.receive(
            request.query["upload_id"][0],
            ContentRange.parse(request.headers.get("Content-Range"), request.body.length),
            request.body,
            Expected.from_headers(request.headers),
            request.persist_at_most,
        )
        if isinstance(outcome, ObjectRecord):
            return self._answer(request, outcome)
        persisted = {"Range": f"bytes=0-{outcome - 1}"} if outcome else {}
        if request.headers.get("X-GUploader-No-308", "").lower() in {"yes", "true"}:
            return Response(200, {**persisted, "X-HTTP-Status-Code-Override": "308"})
        return Response(308, persisted)

    def _answer(self, request: Request, record: ObjectRecord) -> Response:
        return answer(request, object_resource(record, self._store.bucket(record.bucket), request.base_url))


def _target(request: Request, bucket: str, resource: JsonObject) -> ObjectRef:
    name = request.param("name") or resource.get("name")
    if not name:
        raise ApiError(400, "required", "Required: the object's name")
    return ObjectRef(bucket, check_object_name(name))


def _attributes(request: Request, resource: JsonObject, content_type: str | None) -> Attributes:
    return with_content_type(chosen(with_query(request, resource)), content_type)


def _expected(request: Request, resource: JsonObject) -> Expected:
    return Expected.from_resource(resource).or_else(Expected.from_headers(request.headers))
