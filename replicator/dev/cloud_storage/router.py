"""Which method and path belongs to which operation."""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from typing import NamedTuple
from urllib.parse import unquote

from replicator.dev.cloud_storage.bucket_routes import BucketRoutes
from replicator.dev.cloud_storage.messages import ApiError, Request, Response, invalid, not_found
from replicator.dev.cloud_storage.object_routes import ObjectRoutes
from replicator.dev.cloud_storage.sessions import Sessions
from replicator.dev.cloud_storage.store import Store
from replicator.dev.cloud_storage.upload_routes import UploadRoutes

_BUCKETS = "/storage/v1/b"
_BUCKET = f"{_BUCKETS}/([^/]+)"
_OBJECTS = f"{_BUCKET}/o"
_OBJECT = f"{_OBJECTS}/([^/]+)"  # an object's name is one segment: its slashes travel as %2F
_TARGET = "b/([^/]+)/o/([^/]+)"


class _Route(NamedTuple):
    methods: tuple[str, ...]
    path: re.Pattern[str]
    handle: Callable[..., Response]


class Router:
    """The JSON API. `handle` may be called from any thread."""

    def __init__(self, store: Store, sessions: Sessions, denied: Set[str] = frozenset()) -> None:
        buckets, objects = BucketRoutes(store, denied), ObjectRoutes(store)
        uploads = UploadRoutes(store, sessions)
        self._routes = [
            # Some clients send the chunks of a resumable upload with POST.
            _route("POST PUT DELETE", f"(?:/resumable)?/upload{_OBJECTS}", uploads.insert),
            _route("GET", f"/download{_OBJECT}", objects.download),
            _route("GET", _OBJECT, objects.get),
            _route("PATCH", _OBJECT, objects.patch),
            _route("PUT", _OBJECT, objects.update),
            _route("DELETE", _OBJECT, objects.delete),
            _route("GET", _OBJECTS, objects.list),
            _route("POST", f"{_OBJECT}/compose", objects.compose),
            _route("POST", f"{_OBJECT}/rewriteTo/{_TARGET}", objects.rewrite),
            _route("POST", f"{_OBJECT}/copyTo/{_TARGET}", objects.copy),
            _route("POST", _BUCKETS, buckets.insert),
            _route("GET", _BUCKETS, buckets.list),
            _route("GET", _BUCKET, buckets.get),
            _route("DELETE", _BUCKET, buckets.delete),
            _route("GET", f"{_BUCKET}/iam/testPermissions", buckets.test_permissions),
        ]

    def handle(self, request: Request) -> Response:
        """Raises ApiError for a refusal, BrokenBody when the request breaks off."""
        known = False
        for route in self._routes:
            match = route.path.fullmatch(request.path)
            known = known or match is not None
            if match is not None and request.method in route.methods:
                return route.handle(request, *map(_decoded, match.groups()))
        if known:
            raise ApiError(405, "methodNotAllowed", "Method Not Allowed")
        raise not_found("Not Found")


def _route(methods: str, path: str, handle: Callable[..., Response]) -> _Route:
    return _Route(tuple(methods.split()), re.compile(path), handle)


def _decoded(segment: str) -> str:
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError as error:
        raise invalid(f"Not UTF-8: {segment!r}") from error
