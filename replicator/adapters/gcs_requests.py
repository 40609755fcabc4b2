"""Requests to Cloud Storage's JSON API: credentials, repetition, and the translation of what goes wrong."""

from collections.abc import Callable, Iterator, Mapping
from urllib.parse import quote, urlencode

import google.auth.exceptions
import requests
import requests.adapters
import urllib3.exceptions
from google.api_core.exceptions import RetryError
from google.api_core.retry import Retry
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import Request
from google.cloud.storage import Client
from urllib3 import BaseHTTPResponse

from replicator.adapters.gcs_connections import Connections
from replicator.errors import DestinationMoved, Permanent, Transient
from replicator.reasons import Reason

MAX_REFRESHES = 2
"""Times that a request is sent again with a new token after a 401, since one may expire on its way."""

JSON = "application/json; charset=UTF-8"


class Refused(Exception):
    """An answer other than the one hoped for. What Cloud Storage says can echo the request: it is no argument, so that
    it is not printed."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        super().__init__(f"status {response.status}")
        self.status = response.status
        self.text = response.data


def _passes(error: Exception) -> bool:
    """Whether the same request may succeed in a moment (https://cloud.google.com/storage/docs/retry-strategy)."""
    if isinstance(error, Refused):
        return error.status in (408, 429, 500, 502, 503, 504)
    return isinstance(error, urllib3.exceptions.HTTPError | google.auth.exceptions.TransportError | ConnectionError)


RETRY = Retry(predicate=_passes, initial=0.25, multiplier=2, maximum=2, timeout=5)
"""Of a single request, and short, since the attempt as a whole is repeated anyway. It is safe for every write here,
since each has its preconditions."""


class JsonApi:
    """The JSON API at one endpoint, for one identity."""

    def __init__(self, endpoint: str, credentials: Credentials, connections: Connections) -> None:
        self.endpoint, self.credentials, self.connections = endpoint, credentials, connections
        tokens = requests.Session()
        tokens.mount("https://", requests.adapters.HTTPAdapter(max_retries=3))
        self._tokens = Request(tokens)

    def bucket_url(self, bucket: str, parameters: str = "") -> str:
        return f"{self.endpoint}/storage/v1/b/{quote(bucket, safe='')}{parameters}"

    def object_url(self, bucket: str, name: str, **parameters: str | int | None) -> str:
        """What is `None` is left out."""
        return f"{self.bucket_url(bucket)}/o/{quote(name, safe='')}{query(parameters)}"

    def upload_url(self, bucket: str, **parameters: str | int | None) -> str:
        return f"{self.endpoint}/upload/storage/v1/b/{quote(bucket, safe='')}/o{query(parameters)}"

    def send(
        self,
        method: str,
        url: str,
        body: Callable[[], bytes | Iterator[memoryview]] | None = None,
        headers: Mapping[str, str] | None = None,
        not_found: Exception | None = None,
    ) -> BaseHTTPResponse:
        """One request that may be repeated, and its successful answer. `body` gives the bytes anew each time.

        Raises `DestinationMoved`, `Permanent` or `Transient`. A 404 means a missing bucket, or `not_found` where the
        request was about an object.
        """

        def send() -> BaseHTTPResponse:
            response = self._send_authorised(method, url, body, headers or {})
            if not 200 <= response.status < 300:
                raise Refused(response)
            return response

        try:
            answer: BaseHTTPResponse = RETRY(send)()
        except Refused as error:
            raise _translated(error, not_found) from error
        except RetryError as error:
            cause = error.cause
            said = str(cause) if isinstance(cause, Refused) else type(cause).__name__
            raise Transient(Reason.DESTINATION_UNAVAILABLE, said) from error
        except (google.auth.exceptions.GoogleAuthError, urllib3.exceptions.HTTPError, OSError) as error:
            raise Transient(Reason.DESTINATION_UNAVAILABLE, type(error).__name__) from error
        return answer

    def _send_authorised(
        self, method: str, url: str, body: Callable[[], bytes | Iterator[memoryview]] | None, headers: Mapping[str, str]
    ) -> BaseHTTPResponse:
        for refreshes in range(MAX_REFRESHES + 1):
            authorised = dict(headers)
            self._authorise(method, url, authorised, anew=refreshes > 0)
            response = self.connections.send(method, url, authorised, body() if body else None)
            if response.status != 401:
                break
        return response

    def _authorise(self, method: str, url: str, headers: dict[str, str], *, anew: bool) -> None:
        """Adds what authorises the request. Raises `GoogleAuthError`."""
        try:
            if anew:
                self.credentials.refresh(self._tokens)  # type: ignore[no-untyped-call]
            self.credentials.before_request(self._tokens, method, url, headers)  # type: ignore[no-untyped-call]
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # it trusts the answers that bring tokens
            raise google.auth.exceptions.RefreshError(type(error).__name__) from error  # type: ignore[no-untyped-call]


def connect(credentials: Credentials | None, pool_size: int) -> JsonApi:
    """The API for one process. The emulator that the SDK's own variable `STORAGE_EMULATOR_HOST` names takes no
    credentials."""
    identity = credentials or AnonymousCredentials()  # type: ignore[no-untyped-call]
    # The library knows what its environment variables and the universe of the credentials say about the endpoint.
    # Objects are named by their bucket, never by a project; it wants one all the same.
    endpoint = Client(project="unused", credentials=identity).api_endpoint
    return JsonApi(endpoint.rstrip("/"), identity, Connections(pool_size))


def query(parameters: Mapping[str, str | int | None]) -> str:
    stated = {name: value for name, value in parameters.items() if value is not None}
    return f"?{urlencode(stated)}" if stated else ""


def _translated(refused: Refused, not_found: Exception | None) -> Exception:
    status = refused.status
    said = f"status {status}"
    if status == 412:
        return DestinationMoved()
    if status == 404:
        return not_found or Permanent(Reason.DESTINATION_BUCKET_NOT_FOUND)
    if status in (401, 403):
        return Permanent(Reason.DESTINATION_ACCESS_DENIED, said)
    if status in (408, 409, 429) or status >= 500:
        return Transient(Reason.DESTINATION_UNAVAILABLE, said)
    if status == 400 and b"crc32c" in refused.text.lower():
        return Transient(Reason.CHECKSUM_MISMATCH, "Cloud Storage computes another CRC32C")
    return Permanent(Reason.DESTINATION_REFUSED, said)
