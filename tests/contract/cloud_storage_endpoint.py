"""A Cloud Storage endpoint as a plain HTTP client sees it: the embedded server, or the one the environment names.

`GCS_CONTRACT_ENDPOINT` (a URL) selects another server, with `GCS_CONTRACT_TOKEN` as its bearer token and either
`GCS_CONTRACT_BUCKET`, an existing bucket to work in, or `GCS_CONTRACT_PROJECT`, where a bucket is made and removed.
"""

import base64
import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import google_crc32c
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from replicator.dev.cloud_storage import CloudStorageServer

KINDS = ["external"] if os.environ.get("GCS_CONTRACT_ENDPOINT") else ["memory", "folder"]
QUANTUM = 256 * 1024


def crc32c(data: bytes) -> str:
    return base64.b64encode(google_crc32c.value(data).to_bytes(4, "big")).decode()


class Endpoint:
    """Requests on one bucket. Every object a test names through `name` lies under that test's own prefix."""

    def __init__(self, url: str, bucket: str, token: str | None = None, project: str = "test") -> None:
        self.url = url.rstrip("/")
        self.bucket = bucket
        self.project = project
        self.prefix = ""
        self.session = requests.Session()
        self.session.headers["Accept-Encoding"] = "identity"
        if token:
            self.session.headers["Authorization"] = f"Bearer {token}"
        self._mount(HTTPAdapter(pool_maxsize=32))

    def wait_when_limited(self) -> None:
        """A real bucket limits how often one name is written, and says 429."""
        retry = Retry(8, connect=0, read=0, status_forcelist=[429], allowed_methods=None, backoff_factor=1)
        self._mount(HTTPAdapter(pool_maxsize=32, max_retries=retry))

    def _mount(self, adapter: HTTPAdapter) -> None:
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, adapter)

    def name(self, name: str = "object") -> str:
        return self.prefix + name

    def object_url(self, name: str, kind: str = "") -> str:
        return f"{self.url}{kind}/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}"

    def upload_url(self) -> str:
        return f"{self.url}/upload/storage/v1/b/{self.bucket}/o"

    def insert(
        self, name: str, data: bytes = b"", headers: dict[str, str] | None = None, **params: object
    ) -> requests.Response:
        query = {"uploadType": "media", "name": name, **params}
        return self.session.post(self.upload_url(), params=query, data=data, headers=headers)

    def multipart(
        self, name: str, data: bytes, resource: dict[str, object] | None = None, boundary: str = "b", **params: object
    ) -> requests.Response:
        resource = {"name": name, **(resource or {})}
        plain = boundary.strip("\"'")
        body = (
            f"--{plain}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{json.dumps(resource)}\r\n"
            f"--{plain}\r\nContent-Type: text/plain\r\n\r\n"
        ).encode() + (data + f"\r\n--{plain}--\r\n".encode())
        return self.session.post(
            self.upload_url(),
            params={"uploadType": "multipart", **params},
            data=body,
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
        )

    def start(
        self,
        name: str,
        resource: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        **params: object,
    ) -> str:
        """The URI of a new resumable session."""
        query = {"uploadType": "resumable", "name": name, **params}
        response = self.session.post(self.upload_url(), params=query, json=resource or {}, headers=headers)
        assert response.status_code == 200, response.text
        return response.headers["Location"]

    def get(self, name: str, **params: object) -> requests.Response:
        return self.session.get(self.object_url(name), params=params)

    def media(self, name: str, headers: dict[str, str] | None = None, **params: object) -> requests.Response:
        return self.session.get(self.object_url(name), params={"alt": "media", **params}, headers=headers)

    def patch(self, name: str, change: dict[str, object], **params: object) -> requests.Response:
        return self.session.patch(self.object_url(name), params=params, json=change)

    def update(self, name: str, resource: dict[str, object], **params: object) -> requests.Response:
        return self.session.put(self.object_url(name), params=params, json=resource)

    def delete(self, name: str, **params: object) -> requests.Response:
        return self.session.delete(self.object_url(name), params=params)

    def compose(
        self, name: str, sources: list[dict[str, object]], body: dict[str, object] | None = None, **params: object
    ) -> requests.Response:
        request = {"sourceObjects": sources, "destination": {"contentType": "text/plain"}, **(body or {})}
        return self.session.post(f"{self.object_url(name)}/compose", params=params, json=request)

    def rewrite(
        self, source: str, name: str, resource: dict[str, object] | None = None, **params: object
    ) -> requests.Response:
        url = f"{self.object_url(source)}/rewriteTo/b/{self.bucket}/o/{quote(name, safe='')}"
        return self.session.post(url, params=params, json=resource or {})

    def list(self, **params: object) -> dict[str, object]:
        response = self.session.get(f"{self.url}/storage/v1/b/{self.bucket}/o", params=params)
        assert response.status_code == 200, response.text
        answer: dict[str, object] = response.json()
        return answer

    def remove_all(self) -> None:
        while items := self.list(prefix=self.prefix).get("items"):
            assert isinstance(items, list)
            for item in items:
                self.delete(item["name"])


def put(uri: str, data: bytes, content_range: str | None = None, **headers: str) -> requests.Response:
    """A request to a session's URI, which is all the authority it needs."""
    stated = {"Content-Range": content_range} if content_range else {}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.put(uri, data=data, headers={**stated, **named}, timeout=60, allow_redirects=False)


@contextmanager
def running(kind: str, folder: Path) -> Iterator[Endpoint]:
    if kind != "external":
        with CloudStorageServer(folder=folder if kind == "folder" else None, buckets=["contract"]) as server:
            endpoint = Endpoint(server.url, "contract")
            yield endpoint
            endpoint.session.close()
        return
    environment = os.environ
    bucket = environment.get("GCS_CONTRACT_BUCKET")
    endpoint = Endpoint(
        environment["GCS_CONTRACT_ENDPOINT"],
        bucket or f"contract-{uuid.uuid4()}",
        environment.get("GCS_CONTRACT_TOKEN"),
        environment.get("GCS_CONTRACT_PROJECT", "test"),
    )
    endpoint.wait_when_limited()
    buckets = f"{endpoint.url}/storage/v1/b"
    if not bucket:
        endpoint.session.post(buckets, params={"project": endpoint.project}, json={"name": endpoint.bucket})
    yield endpoint
    if not bucket:
        endpoint.remove_all()
        endpoint.session.delete(f"{buckets}/{endpoint.bucket}")
    endpoint.session.close()
