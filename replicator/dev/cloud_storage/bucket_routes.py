"""Requests about buckets."""

from __future__ import annotations

import time
from collections.abc import Set

from replicator.dev.cloud_storage.fields import answer
from replicator.dev.cloud_storage.messages import Request, Response
from replicator.dev.cloud_storage.resources import bucket_resource, new_bucket
from replicator.dev.cloud_storage.store import Store


class BucketRoutes:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets"""

    def __init__(self, store: Store, denied: Set[str]) -> None:
        self._store, self._denied = store, denied

    def insert(self, request: Request) -> Response:
        bucket = self._store.create_bucket(new_bucket(request.json(), time.time_ns() // 1000))
        return answer(request, bucket_resource(bucket, request.base_url))

    def list(self, request: Request) -> Response:
        prefix = request.param("prefix") or ""
        items = [
            bucket_resource(bucket, request.base_url)
            for bucket in self._store.buckets()
            if bucket.name.startswith(prefix)
        ]
        return answer(request, {"kind": "storage#buckets", **({"items": items} if items else {})})

    def get(self, request: Request, bucket: str) -> Response:
        return answer(request, bucket_resource(self._store.bucket(bucket), request.base_url))

    def delete(self, request: Request, bucket: str) -> Response:  # noqa: ARG002 - all routes take it
        self._store.delete_bucket(bucket)
        return Response(204)

    def test_permissions(self, request: Request, bucket: str) -> Response:
        """There are no identities here: everyone may do all that is asked about, but for what is denied."""
        self._store.bucket(bucket)
        granted = [asked for asked in request.query.get("permissions", []) if asked not in self._denied]
        return answer(request, {"kind": "storage#testIamPermissionsResponse", "permissions": granted})
