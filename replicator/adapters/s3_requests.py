"""HEAD and GET of objects at a third of what the SDK's own requests cost (docs/decisions/017-lean-requests.md).

The SDK shows the way: where its request for an object of a bucket went, and what it was signed for, is noted, and the
next ones go there over the SDK's own connections. It also keeps the hard part: whatever does not succeed here is asked
again through the SDK, which follows redirects, retries, and tells S3's errors apart.
"""

import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import quote, urlsplit

import urllib3
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import BotoCoreError

from replicator.adapters.s3_object import Headers
from replicator.adapters.s3_signature import signed_headers
from replicator.model import SourceKey

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

HEADERS = {"ChecksumMode": "x-amz-checksum-mode", "IfMatch": "if-match", "Range": "range"}
"""The parameters of a request that are headers, by their names in the SDK."""

NAMED = "replicator-object"
KEPT_HEADERS = ("x-amz-request-payer",)
DEFAULT_PORTS = {"http": 80, "https": 443}


class Stream(Protocol):
    """The bytes of an answer, as they come from the wire."""

    def readinto(self, buffer: memoryview, /) -> int:
        """Fills the front of `buffer`; 0 when the connection has no more to give."""

    def close(self) -> None:
        """Gives the connection back when all was read, and closes it otherwise."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Headers
    stream: Stream


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach the objects of one bucket: what precedes an object's key in the URL, and what requests are signed
    for."""

    url: str
    path: str
    region: str
    service: str
    headers: Mapping[str, str] = field(default_factory=dict)


class LeanRequests:
    """Requests for objects by the client's endpoints, credentials, proxies, certificates and time-outs."""

    def __init__(self, client: "S3Client") -> None:
        # The SDK has no public names for these two. tests/unit/adapters/test_s3_requests.py fails when they move.
        self._http = client._endpoint.http_session  # type: ignore[attr-defined]
        self._credentials = client._get_credentials()  # type: ignore[attr-defined]
        self._user_agent: str = client.meta.config.user_agent  # type: ignore[attr-defined]
        self._routes: dict[str, Route] = {}
        client.meta.events.register("before-parameter-build.s3", _name)
        client.meta.events.register("before-sign.s3", self._note)

    def send(self, method: str, key: SourceKey, **parameters: str) -> Answer | None:
        """S3's answer to a HEAD or GET, whatever its status. `None` when none came, or the SDK has yet to show the way.

        The parameters are the SDK's. The stream of the answer is to be closed. Raises what the key store raises.
        """
        route = self._routes.get(key.bucket)
        if route is None or self._credentials is None:
            return None
        escaped = _escaped(key.key)
        version_id = parameters.pop("VersionId", None)
        query = "" if version_id is None else f"versionId={quote(version_id, safe='')}"
        headers = {HEADERS[name]: value for name, value in parameters.items()}
        try:
            signed = signed_headers(
                method,
                route.path + escaped,
                query,
                {**route.headers, **headers},
                self._credentials.get_frozen_credentials(),
                route.region,
                route.service,
            )
            signed["user-agent"] = self._user_agent
            url = f"{route.url}{escaped}?{query}" if query else route.url + escaped
            request = AWSPreparedRequest(method, url, signed, None, stream_output=True)  # type: ignore[arg-type]
            response = self._http.send(request)
        except BotoCoreError:
            return None
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, found, WireStream(response.raw))

    def _note(
        self, request: AWSRequest, region_name: str, signing_name: str, signature_version: Any, **_: object
    ) -> None:
        """A handler of botocore's `before-sign`, which comes for each attempt, after a redirect too."""
        bucket, key = request.context.get(NAMED, ("", ""))
        url, escaped = urlsplit(str(request.url)), _escaped(key)
        if not key or not url.path.endswith(f"/{escaped}"):
            return
        if signature_version != "s3v4":  # nor is it what buckets of other kinds want
            self._routes.pop(bucket, None)
            return
        signing = request.context.get("signing", {})
        path = url.path.removesuffix(escaped)
        headers = {name: str(request.headers[name]) for name in KEPT_HEADERS if name in request.headers}
        self._routes[bucket] = Route(
            f"{url.scheme}://{url.netloc}{path}",
            path,
            signing.get("region", region_name),
            signing.get("signing_name", signing_name),
            {"host": url.netloc.removesuffix(f":{DEFAULT_PORTS.get(url.scheme)}"), **headers},
        )


class WireStream:
    """Reads from the socket into the caller's buffer. urllib3's own `readinto` reads into a new object and copies."""

    def __init__(self, response: urllib3.HTTPResponse) -> None:
        self._response = response
        # What http.client made of the answer. urllib3 has no public name for it; a test fails when it moves.
        self._wire = cast("http.client.HTTPResponse", response._fp)

    def readinto(self, buffer: memoryview, /) -> int:
        return self._wire.readinto(buffer)

    def close(self) -> None:
        if self._wire.length == 0:
            self._wire.close()
            self._response.release_conn()
        else:
            self._response.close()


def _name(params: Mapping[str, Any], context: dict[str, Any], **_: object) -> None:
    """A handler of botocore's `before-parameter-build`: the request will know which object it is for."""
    if "Key" in params:
        context[NAMED] = params["Bucket"], params["Key"]


def _escaped(key: str) -> str:
    return quote(key, safe="/")
