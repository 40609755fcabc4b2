"""Requests about existing objects, and those that make new objects from them."""

from __future__ import annotations

from collections.abc import Callable

from replicator.dev.cloud_storage.attributes import Attributes, chosen, patched, replaced
from replicator.dev.cloud_storage.downloads import download
from replicator.dev.cloud_storage.fields import answer
from replicator.dev.cloud_storage.listing import Listing
from replicator.dev.cloud_storage.messages import JsonObject, Request, Response, invalid, whole_number
from replicator.dev.cloud_storage.names import check_object_name
from replicator.dev.cloud_storage.preconditions import Preconditions
from replicator.dev.cloud_storage.records import ObjectRecord, ObjectRef
from replicator.dev.cloud_storage.resources import object_resource
from replicator.dev.cloud_storage.store import Source, Store

_MOST_COMPONENTS = 32


class ObjectRoutes:
    """https://cloud.google.com/storage/docs/json_api/v1/objects"""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self, request: Request, bucket: str) -> Response:
        listing = Listing.from_request(request)
        page = listing.page(self._store.records(bucket, versions=listing.versions))
        found: JsonObject = {"kind": "storage#objects"}
        if page.items:
            found["items"] = [self._resource(request, record) for record in page.items]
        if page.prefixes:
            found["prefixes"] = page.prefixes
        if page.next_token is not None:
            found["nextPageToken"] = page.next_token
        return answer(request, found)

    def get(self, request: Request, bucket: str, name: str) -> Response:
        if request.param("alt") == "media":
            return self.download(request, bucket, name)
        record = self._store.get(_ref(request, bucket, name), Preconditions.from_request(request))
        return self._answer(request, record)

    def download(self, request: Request, bucket: str, name: str) -> Response:
        found = self._store.open(_ref(request, bucket, name), Preconditions.from_request(request))
        return download(request, *found)

    def patch(self, request: Request, bucket: str, name: str) -> Response:
        return self._change(request, _ref(request, bucket, name), patched)

    def update(self, request: Request, bucket: str, name: str) -> Response:
        return self._change(request, _ref(request, bucket, name), replaced)

    def delete(self, request: Request, bucket: str, name: str) -> Response:
        self._store.delete(_ref(request, bucket, name), Preconditions.from_request(request))
        return Response(204)

    def compose(self, request: Request, bucket: str, name: str) -> Response:
        asked = request.json()
        components = asked.get("sourceObjects")
        if not isinstance(components, list) or not 1 <= len(components) <= _MOST_COMPONENTS:
            raise invalid(f"A compose request needs 1 to {_MOST_COMPONENTS} source objects")
        record = self._store.compose(
            ObjectRef(bucket, check_object_name(name)),
            with_content_type(chosen(with_query(request, asked.get("destination") or {}))),
            [_component(bucket, component) for component in components],
            Preconditions.from_request(request),
            delete_sources=asked.get("deleteSourceObjects") is True,
        )
        return self._answer(request, record)

    def rewrite(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Response:
        record = self._copy(request, ObjectRef(bucket, name), ObjectRef(to_bucket, to_name))
        rewritten = {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": str(record.size),
            "objectSize": str(record.size),
            "done": True,
            "resource": self._resource(request, record),
        }
        return answer(request, rewritten)

    def copy(self, request: Request, bucket: str, name: str, to_bucket: str, to_name: str) -> Response:
        return self._answer(request, self._copy(request, ObjectRef(bucket, name), ObjectRef(to_bucket, to_name)))

    def _copy(self, request: Request, source: ObjectRef, target: ObjectRef) -> ObjectRecord:
        stated = chosen(request.json())
        origin = Source(
            ObjectRef(source.bucket, source.name, request.number("sourceGeneration")),
            Preconditions.from_request(request, source=True),
        )
        check_object_name(target.name)

        def attributes(record: ObjectRecord) -> Attributes:
            """The request's, if it states any; otherwise all of the source's but its storage class."""
            if stated:
                return with_content_type(stated, record.attributes.get("contentType"))
            return {key: value for key, value in record.attributes.items() if key != "storageClass"}

        return self._store.copy(origin, target, attributes, Preconditions.from_request(request))

    def _change(
        self, request: Request, ref: ObjectRef, how: Callable[[Attributes, JsonObject], Attributes]
    ) -> Response:
        resource = request.json()
        conditions = Preconditions.from_request(request)
        return self._answer(request, self._store.change(ref, conditions, lambda current: how(current, resource)))

    def _answer(self, request: Request, record: ObjectRecord) -> Response:
        return answer(request, self._resource(request, record))

    def _resource(self, request: Request, record: ObjectRecord) -> JsonObject:
        return object_resource(record, self._store.bucket(record.bucket), request.base_url)


def with_query(request: Request, resource: JsonObject) -> JsonObject:
    """The resource of a new object, with what of it the query states, which wins."""
    stated = {name: request.param(name) for name in ("contentEncoding", "kmsKeyName")}
    return {**resource, **{name: value for name, value in stated.items() if value is not None}}


def with_content_type(attributes: Attributes, otherwise: str | None = None) -> Attributes:
    """The attributes' own content type wins, then the request's, then the default of the API."""
    return {"contentType": otherwise or "application/octet-stream", **attributes}


def _ref(request: Request, bucket: str, name: str) -> ObjectRef:
    return ObjectRef(bucket, name, request.number("generation"))


def _component(bucket: str, component: object) -> Source:
    if not isinstance(component, dict) or not isinstance(component.get("name"), str):
        raise invalid("A source object needs a name")
    generation = whole_number("generation", component.get("generation"))
    return Source(ObjectRef(bucket, component["name"], generation), Preconditions.from_component(component))
