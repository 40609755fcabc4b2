"""Writes Cloud Storage over its JSON API. No exception of the libraries leaves the `gcs` modules."""

import base64
import contextlib
import json
from collections.abc import Iterator, Sequence

from replicator.adapters.gcs_facts import FIELDS as FACTS
from replicator.adapters.gcs_facts import KeptFacts, bucket_facts
from replicator.adapters.gcs_insert import MultipartBody
from replicator.adapters.gcs_requests import JSON, JsonApi, connect, query
from replicator.adapters.gcs_resource import FIELDS, answered_object, answered_page, new_resource, resource_of
from replicator.adapters.gcs_upload import GcsUploadSession
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import Attributes, BucketFacts, DestinationName, DestinationObject
from replicator.ports import UploadSession
from replicator.reasons import Reason

__all__ = ["SCOPE", "GcsDestination", "connect"]

NEEDED_PERMISSIONS = [f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")]
"""Without `storage.buckets.get` all works too, only that `facts` has none to tell."""

SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
"""`devstorage.read_write` does not allow `objects.patch`, whatever the roles are."""


class _Absent(Exception):
    """There is no such object."""


class GcsDestination:
    """The port `Destination` on the JSON API."""

    def __init__(self, api: JsonApi) -> None:
        self._api = api
        self._facts = KeptFacts(self._read_facts)

    def stat(self, name: DestinationName) -> DestinationObject | None:
        try:
            found = self._api.send("GET", self._object_url(name, fields=FIELDS), not_found=_Absent())
        except _Absent:
            return None
        return answered_object(name, found.data)

    def insert(
        self, name: DestinationName, data: memoryview, crc32c: bytes, attributes: Attributes, if_generation: int
    ) -> DestinationObject:
        # The checksum is part of the resource: Cloud Storage compares it before anything is visible. The library's own
        # check comes afterwards and deletes the object then, whoever wrote it; and it holds the bytes five times.
        resource = new_resource(attributes) | {"crc32c": base64.b64encode(crc32c).decode()}
        body = MultipartBody(resource, data)
        url = self._upload_url("multipart", name, attributes, if_generation)
        written = self._api.send("POST", url, body.content, body.headers)
        return answered_object(name, written.data)

    def compose(
        self,
        name: DestinationName,
        components: Sequence[DestinationObject],
        attributes: Attributes,
        if_generation: int,
        *,
        delete_components: bool = False,
    ) -> DestinationObject:
        request = {
            "sourceObjects": [
                {"name": component.name.name, "generation": str(component.generation)} for component in components
            ],
            "destination": new_resource(attributes),
            "deleteSourceObjects": delete_components,
        }
        conditions = query({"ifGenerationMatch": if_generation, "kmsKeyName": attributes.placement.kms_key})
        url = f"{self._object_url(name)}/compose{conditions}"
        return answered_object(name, self._send_json("POST", url, request, DestinationMoved()))

    def begin(self, name: DestinationName, size: int, attributes: Attributes, if_generation: int) -> UploadSession:
        resource = json.dumps(new_resource(attributes)).encode()
        url = self._upload_url("resumable", name, attributes, if_generation)
        headers = {"X-Upload-Content-Length": str(size), "Content-Type": JSON}
        begun = self._api.send("POST", url, lambda: resource, headers)
        uri = begun.headers.get("Location")
        if uri is None or "://" not in uri:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer names no upload session")
        return GcsUploadSession(self._api.connections, uri, name, size)

    def update_metadata(self, current: DestinationObject, attributes: Attributes) -> DestinationObject:
        resource = resource_of(attributes)
        # A patch merges custom metadata; what is to go must be named.
        resource["metadata"] = dict.fromkeys(current.metadata) | resource["metadata"]
        url = self._object_url(
            current.name, ifGenerationMatch=current.generation, ifMetagenerationMatch=current.metageneration
        )
        return answered_object(current.name, self._send_json("PATCH", url, resource, DestinationMoved()))

    def delete(self, current: DestinationObject) -> None:
        url = self._object_url(
            current.name, ifGenerationMatch=current.generation, ifMetagenerationMatch=current.metageneration
        )
        self._delete(url, DestinationMoved())

    def list_objects(self, bucket: str, prefix: str) -> Iterator[DestinationObject]:
        fields = f"items(name,{FIELDS}),nextPageToken"
        token = None
        while True:
            url = self._api.bucket_url(bucket, f"/o{query({'prefix': prefix, 'fields': fields, 'pageToken': token})}")
            objects, token = answered_page(bucket, self._api.send("GET", url).data)
            yield from objects
            if token is None:
                return

    def discard(self, temporary: DestinationObject) -> None:
        # Without a generation a bucket that keeps versions would keep this one as noncurrent
        # (https://cloud.google.com/storage/docs/object-versioning).
        url = self._object_url(temporary.name, generation=temporary.generation)
        with contextlib.suppress(_Absent):
            self._delete(url, _Absent())

    def facts(self, bucket: str) -> BucketFacts | None:
        return self._facts.of(bucket)

    def check(self, bucket: str) -> None:
        asked = "&".join(f"permissions={permission}" for permission in NEEDED_PERMISSIONS)
        answer = self._api.send("GET", self._api.bucket_url(bucket, f"/iam/testPermissions?{asked}"))
        try:
            granted = set(json.loads(answer.data).get("permissions", []))
        except (AttributeError, TypeError, ValueError, RecursionError):
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer tells no permissions") from None
        if missing := sorted(set(NEEDED_PERMISSIONS) - granted):
            raise Permanent(Reason.DESTINATION_ACCESS_DENIED, f"missing {', '.join(missing)}")

    def _read_facts(self, bucket: str) -> BucketFacts | None:
        try:
            answer = self._api.send("GET", self._api.bucket_url(bucket, query({"fields": FACTS})))
        except Permanent as error:
            if error.reason is Reason.DESTINATION_ACCESS_DENIED:
                return None
            raise
        return bucket_facts(answer.data)

    def _delete(self, url: str, not_found: Exception) -> None:
        """Cloud Storage says nothing of what is deleted (https://cloud.google.com/storage/docs/json_api/v1/objects/delete);
        whatever has something to say is not Cloud Storage, and has deleted nothing."""
        if self._api.send("DELETE", url, not_found=not_found).data:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer is none to a deletion")

    def _send_json(self, method: str, url: str, resource: object, not_found: Exception) -> bytes:
        body = json.dumps(resource).encode()
        return self._api.send(method, url, lambda: body, {"Content-Type": JSON}, not_found).data

    def _object_url(self, name: DestinationName, **parameters: str | int | None) -> str:
        return self._api.object_url(name.bucket, name.name, **parameters)

    def _upload_url(self, upload_type: str, name: DestinationName, attributes: Attributes, if_generation: int) -> str:
        """Of the request that makes an object (https://cloud.google.com/storage/docs/json_api/v1/objects/insert).
        Without a key's name the bucket's default key is used, if it has one."""
        key = attributes.placement.kms_key
        return self._api.upload_url(
            name.bucket, uploadType=upload_type, name=name.name, ifGenerationMatch=if_generation, kmsKeyName=key
        )
