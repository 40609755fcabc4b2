"""Writes Cloud Storage with google-cloud-storage. None of its exceptions leaves the two `gcs` modules."""

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager

import google.auth
import google.auth.exceptions
import requests
import requests.adapters
from google.api_core import exceptions as api
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY

from replicator.adapters.gcs_resource import destination_object
from replicator.adapters.gcs_upload import GcsUploadSession
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.model import Attributes, DestinationName, DestinationObject
from replicator.ports import UploadSession
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, encode

TIMEOUT = (5, 60)
"""Seconds to connect, and seconds without a byte while an answer is awaited."""

RETRY = DEFAULT_RETRY.with_delay(initial=0.25, multiplier=2, maximum=2).with_timeout(5)
"""The library's retry of a single request, shortened from two minutes: the attempt as a whole is repeated anyway. It is
safe for every write here, since each has its preconditions."""

NEEDED_PERMISSIONS = [f"storage.objects.{verb}" for verb in ("create", "delete", "get", "update")]
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"


def connect(emulated: bool, pool_size: int) -> Client:
    """A client for one process, with the application default credentials; without any where the server is emulated.

    The emulator's address is the SDK's own variable, `STORAGE_EMULATOR_HOST`.
    """
    session = AuthorizedSession(_credentials(emulated))  # type: ignore[no-untyped-call]
    _mount_pool(session, pool_size)
    # Objects are named by their bucket, never by a project; the library wants one all the same.
    return Client(project="unused", credentials=session.credentials, _http=session)


class GcsDestination:
    """The port `Destination` on one Cloud Storage client."""

    def __init__(self, client: Client, pool_size: int) -> None:
        self._client = client
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
        blob = self._blob(name, attributes)
        # The library's own checksum handling deletes the object, whoever wrote it, when a checksum differs. Sent as
        # metadata, the checksum is Cloud Storage's to check before anything is visible.
        blob.crc32c = base64.b64encode(crc32c).decode()
        with _translated():
            blob.upload_from_file(
                io.BytesIO(data),
                size=len(data),
                content_type=blob.content_type,
                if_generation_match=if_generation,
                checksum=None,
                timeout=TIMEOUT,
                retry=RETRY,
            )
        return destination_object(name, blob._properties)

    def begin(self, name: DestinationName, size: int, attributes: Attributes, if_generation: int) -> UploadSession:
        blob = self._blob(name, attributes)
        with _translated():
            uri = blob.create_resumable_upload_session(
                size=size,
                content_type=blob.content_type,
                if_generation_match=if_generation,
                checksum=None,
                timeout=TIMEOUT,
                retry=RETRY,
            )
        return GcsUploadSession(self._uploads, uri, name, size)

    def update_metadata(self, current: DestinationObject, attributes: Attributes) -> DestinationObject:
        blob = self._blob(current.name, attributes)
        # A patch merges custom metadata; what is to go must be named.
        blob.metadata = dict.fromkeys(current.metadata) | blob.metadata
        with _translated(not_found=DestinationMoved()):
            blob.patch(
                if_generation_match=current.generation,
                if_metageneration_match=current.metageneration,
                timeout=TIMEOUT,
                retry=RETRY,
            )
        return destination_object(current.name, blob._properties)

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

    def _blob(self, name: DestinationName, attributes: Attributes) -> Blob:
        """The resource to be written, with every property that we manage set, to nothing where there is none."""
        blob = self._client.bucket(name.bucket).blob(name.name)
        headers = attributes.headers
        blob.content_type = headers.content_type or "application/octet-stream"
        blob.content_encoding = headers.content_encoding
        blob.content_disposition = headers.content_disposition
        blob.content_language = headers.content_language
        blob.cache_control = headers.cache_control
        blob.custom_time = attributes.custom_time
        blob.metadata = {**attributes.metadata, METADATA_KEY: encode(attributes.receipt)}
        return blob


def _credentials(emulated: bool) -> Credentials:
    if emulated:
        return AnonymousCredentials()  # type: ignore[no-untyped-call]
    try:
        return google.auth.default(scopes=[SCOPE])[0]
    except google.auth.exceptions.GoogleAuthError as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "there are no Google credentials") from error


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
    except (api.TooManyRequests, api.ServerError, api.RetryError) as error:
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
