"""Writes Cloud Storage with google-cloud-storage. None of its exceptions leaves the two `gcs` modules."""

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote

import google.auth.exceptions
import requests
import requests.adapters
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Client
from google.cloud.storage.retry import DEFAULT_RETRY

from replicator.adapters.gcs_insert import MultipartBody
from replicator.adapters.gcs_resource import answered_object, destination_object, new_resource, resource_of
from replicator.adapters.gcs_upload import TIMEOUT, GcsUploadSession
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import Attributes, DestinationName, DestinationObject
from replicator.ports import UploadSession
from replicator.reasons import Reason

RETRY = DEFAULT_RETRY.with_delay(initial=0.25, multiplier=2, maximum=2).with_timeout(5)
"""The library's retry of a single request, shortened from two minutes: the attempt as a whole is repeated anyway. It is
safe for every write here, since each has its preconditions."""

NEEDED_PERMISSIONS = [f"storage.objects.{verb}" for verb in ("create", "delete", "get", "list", "update")]
SCOPE = "https://www.googleapis.com/auth/devstorage.full_control"
"""`devstorage.read_write` does not allow `objects.patch`, whatever the roles are."""


def connect(credentials: Credentials | None, pool_size: int) -> Client:
    """A client for one process. The emulator that the SDK's own variable `STORAGE_EMULATOR_HOST` names takes no
    credentials."""
    session = AuthorizedSession(credentials or AnonymousCredentials())  # type: ignore[no-untyped-call]
    _mount_pool(session, pool_size)
    # Objects are named by their bucket, never by a project; the library wants one all the same.
    return Client(project="unused", credentials=session.credentials, _http=session)


class GcsDestination:
    """The port `Destination` on one Cloud Storage client."""

    def __init__(self, client: Client, pool_size: int) -> None:
        self._client = client
        self._session = client._http
        # A session URI authorises by itself, so uploads need no credentials; an authorised session would, after a
        # 401, send a body again that has been read already.
        self._uploads = requests.Session()
        _mount_pool(self._uploads, pool_size)

    def stat(self, name: DestinationName) -> DestinationObject | None:
        with _translated():
            blob = self._client.bucket(name.bucket).get_blob(name.name, timeout=TIMEOUT, retry=RETRY)
        return None if blob is None else destination_object(name, blob._properties)

    def insert(
        self, name: DestinationName, data: memoryview, crc32c: bytes, attributes: Attributes, if_generation: int
    ) -> DestinationObject:
        # The checksum is part of the resource: Cloud Storage compares it before anything is visible. The library's own
        # check comes afterwards and deletes the object then, whoever wrote it; and it holds the bytes five times.
        resource = new_resource(name, attributes) | {"crc32c": base64.b64encode(crc32c).decode()}
        body = MultipartBody(resource, data)
        params = _parameters("multipart", attributes, if_generation)
        written = self._send("POST", self._upload_url(name), params, body, {"Content-Type": body.content_type})
        return answered_object(name, written.content)

    def begin(self, name: DestinationName, size: int, attributes: Attributes, if_generation: int) -> UploadSession:
        resource = new_resource(name, attributes)
        params = _parameters("resumable", attributes, if_generation)
        headers = {"X-Upload-Content-Length": str(size), "Content-Type": "application/json; charset=UTF-8"}
        begun = self._send("POST", self._upload_url(name), params, json.dumps(resource).encode(), headers)
        uri = begun.headers.get("Location")
        if uri is None:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "the answer names no upload session")
        return GcsUploadSession(self._uploads, uri, name, size)

    def update_metadata(self, current: DestinationObject, attributes: Attributes) -> DestinationObject:
        resource = resource_of(attributes)
        # A patch merges custom metadata; what is to go must be named.
        resource["metadata"] = dict.fromkeys(current.metadata) | resource["metadata"]
        params = {"ifGenerationMatch": current.generation, "ifMetagenerationMatch": current.metageneration}
        url = f"{self._client.api_endpoint}/storage/v1/b/{current.name.bucket}/o/{quote(current.name.name, safe='')}"
        headers = {"Content-Type": "application/json; charset=UTF-8"}
        not_found = DestinationMoved()
        updated = self._send("PATCH", url, params, json.dumps(resource).encode(), headers, not_found)
        return answered_object(current.name, updated.content)

    def delete(self, current: DestinationObject) -> None:
        blob = self._client.bucket(current.name.bucket).blob(current.name.name)
        with _translated(not_found=DestinationMoved()):
            blob.delete(
                if_generation_match=current.generation,
                if_metageneration_match=current.metageneration,
                timeout=TIMEOUT,
                retry=RETRY,
            )

    def check(self, bucket: str) -> None:
        with _translated():
            granted = self._client.bucket(bucket).test_iam_permissions(NEEDED_PERMISSIONS, timeout=TIMEOUT, retry=RETRY)
        if missing := sorted(set(NEEDED_PERMISSIONS) - set(granted)):
            raise Permanent(Reason.DESTINATION_ACCESS_DENIED, f"missing {', '.join(missing)}")

    def _upload_url(self, name: DestinationName) -> str:
        return f"{self._client.api_endpoint}/upload/storage/v1/b/{name.bucket}/o"

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, object],
        body: "MultipartBody | bytes",
        headers: Mapping[str, str],
        not_found: Exception | None = None,
    ) -> requests.Response:
        """One conditional write, with the library's credentials and its retry of what may be sent again."""

        def send() -> requests.Response:
            response: requests.Response = self._session.request(
                method, url, params=params, data=body, headers=dict(headers), timeout=TIMEOUT
            )
            if not response.ok:
                raise api.from_http_response(response)  # type: ignore[no-untyped-call]
            return response

        with _translated(not_found):
            sent: requests.Response = RETRY(send)()
        return sent


def _parameters(upload_type: str, attributes: Attributes, if_generation: int) -> Mapping[str, str | int | None]:
    """Of the request that makes an object (https://cloud.google.com/storage/docs/json_api/v1/objects/insert). What is
    `None` is not sent; without a key's name the bucket's default key is used, if it has one."""
    key = attributes.placement.kms_key
    return {"uploadType": upload_type, "ifGenerationMatch": if_generation, "kmsKeyName": key}


@contextmanager
def _translated(not_found: Exception | None = None) -> Iterator[None]:
    """Most specific first; what Cloud Storage said stays out of the message, since it can echo the request.

    A 404 means a missing bucket, or `not_found` where the request was about an object that had been there.
    """
    try:
        yield
    except api.PreconditionFailed as error:
        raise DestinationMoved from error
    except api.NotFound as error:
        raise not_found or Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND) from error
    except (api.Forbidden, api.Unauthorized) as error:
        raise Permanent(Reason.DESTINATION_ACCESS_DENIED, f"status {error.code}") from error
    except (api.TooManyRequests, api.Conflict, api.ServerError, api.RetryError) as error:
        raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from error
    except api.BadRequest as error:
        if "crc32c" in error.message.lower():
            raise Transient(Reason.CHECKSUM_MISMATCH, "Cloud Storage computes another CRC32C") from error
        raise Permanent(Reason.DESTINATION_REFUSED, "status 400") from error
    except api.GoogleAPIError as error:
        raise Permanent(Reason.DESTINATION_REFUSED, type(error).__name__) from error
    except (google.auth.exceptions.GoogleAuthError, requests.RequestException, OSError) as error:
        raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from error


def _mount_pool(session: requests.Session, size: int) -> None:
    """The default pool keeps 10 connections and throws away the rest after each request."""
    adapter = requests.adapters.HTTPAdapter(pool_connections=size, pool_maxsize=size)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
