"""What was written to S3: seen from outside, in the requests that S3 answered with success."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from xml.etree import ElementTree

from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ANYBODY = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/s3/aws4_request"
"""moto looks only at whether there is a signature. With this one, a plain curl line may do what an SDK may."""

SUBRESOURCES = frozenset(
    {"acl", "attributes", "encryption", "legal-hold", "partNumber", "restore", "retention", "select", "tagging"}
    | {"torrent", "uploadId", "uploads"}
)
"""With one of these in the query, a PUT or DELETE is about something else than the object as a whole."""

NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True, slots=True)
class Created:
    """`reason` is the name of the API operation. Size and ETag are missing when the object is gone again already."""

    bucket: str
    key: str
    reason: str
    size: int | None
    etag: str | None
    version_id: str | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """`marker`: the bucket has versions and now hides the object behind a delete marker, which `version_id` names."""

    bucket: str
    key: str
    marker: bool
    version_id: str | None
    request_id: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """The tags were put, or deleted, which changes nothing else. `etag` is the object's."""

    bucket: str
    key: str
    added: bool
    etag: str | None
    version_id: str | None
    request_id: str


Write = Created | Deleted | Tagged


class WatchedWrites:
    """WSGI middleware around an S3: tells `wrote` of each successful write to one of `buckets`, before it is answered.

    Buckets are known by the path, not by the host's name. Writes are PutObject, CopyObject, CompleteMultipartUpload,
    DeleteObject and DeleteObjects, PutObjectTagging and DeleteObjectTagging.
    """

    def __init__(self, s3: "WSGIApplication", buckets: Collection[str], wrote: Callable[[Write], None]) -> None:
        self._s3, self._buckets, self._wrote = s3, buckets, wrote

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        environ.setdefault("HTTP_AUTHORIZATION", ANYBODY)
        request = Request(environ)
        _, bucket, key, *_ = *request.path.split("/", 2), "", ""
        if bucket not in self._buckets or request.method not in ("PUT", "POST", "DELETE"):
            return self._s3(environ, start_response)
        response = Response.from_app(self._s3, environ, buffered=True)
        if response.status_code < 300:
            for write in self._writes(request, bucket, key, response):
                self._wrote(write)
        return response(environ, start_response)

    def _writes(self, request: Request, bucket: str, key: str, response: Response) -> Iterator[Write]:
        request_id = response.headers.get("x-amzn-requestid", "")
        version_id = _version(response.headers.get("x-amz-version-id"))
        if key and (reason := _creates(request)):
            # The answer to CompleteMultipartUpload has no ETag among its headers, and none of the answers a size.
            head = self._head(bucket, key)
            size = head.content_length if head.status_code == 200 else None
            yield Created(bucket, key, reason, size, _etag(head), version_id, request_id)
        elif key and request.method in ("PUT", "DELETE") and "tagging" in request.args:
            # The answers of moto name neither the ETag nor, as S3's do, the version.
            head = self._head(bucket, key, request.args.get("versionId"))
            version_id = _version(head.headers.get("x-amz-version-id"))
            yield Tagged(bucket, key, request.method == "PUT", _etag(head), version_id, request_id)
        elif key and request.method == "DELETE" and not SUBRESOURCES & request.args.keys():
            # Deleting a delete marker, by its version, answers with the header as well.
            marker = "x-amz-delete-marker" in response.headers and "versionId" not in request.args
            yield Deleted(bucket, key, marker, version_id, request_id)
        elif not key and request.method == "POST" and "delete" in request.args:
            # moto lists what it deleted in quiet mode, too.
            for entry in ElementTree.fromstring(response.get_data()).iter(f"{NAMESPACE}Deleted"):  # noqa: S314  moto's
                marker = entry.findtext(f"{NAMESPACE}DeleteMarker") == "true" and not _text(entry, "VersionId")
                version_id = _text(entry, "DeleteMarkerVersionId") if marker else _text(entry, "VersionId")
                yield Deleted(bucket, _text(entry, "Key") or "", marker, version_id, request_id)

    def _head(self, bucket: str, key: str, version_id: str | None = None) -> Response:
        query = {"versionId": version_id} if version_id else {}
        environ = EnvironBuilder(f"/{bucket}/{quote(key)}", method="HEAD", query_string=query).get_environ()
        return Response.from_app(self._s3, {**environ, "HTTP_AUTHORIZATION": ANYBODY}, buffered=True)


def _creates(request: Request) -> str | None:
    """The operation, if this request makes an object visible. Uploading a part does not."""
    if request.method == "POST" and "uploadId" in request.args:
        return "CompleteMultipartUpload"
    if request.method != "PUT" or SUBRESOURCES & request.args.keys():
        return None
    return "CopyObject" if "x-amz-copy-source" in request.headers else "PutObject"


def _etag(head: Response) -> str | None:
    return head.get_etag()[0] if head.status_code == 200 else None


def _text(entry: ElementTree.Element, name: str) -> str | None:
    return entry.findtext(NAMESPACE + name) or None


def _version(version_id: str | None) -> str | None:
    """Where a bucket has no versions, S3 names none in its events, though moto answers with "null"."""
    return None if version_id == "null" else version_id
