"""Reads AWS keys from Secret Manager and keeps them fresh."""

import json
import threading
import time
from collections.abc import Callable

import google_crc32c
import requests
from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_transient_error
from google.auth import exceptions as auth
from google.cloud import secretmanager

from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

TIMEOUT = 10
"""Seconds for one read, retries included."""

RETRY = Retry(if_transient_error, initial=0.25, maximum=2, timeout=TIMEOUT)


def connect() -> secretmanager.SecretManagerServiceClient:
    """A client for one process. Raises `Transient(credentials_unavailable)` where there are no Google credentials."""
    try:
        return secretmanager.SecretManagerServiceClient()
    except auth.GoogleAuthError as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "there are no Google credentials") from error


def connect_without_threads() -> secretmanager.SecretManagerServiceClient:
    """A client for a process that will fork: a gRPC channel would not survive that. To be closed after use.

    Raises `Transient(credentials_unavailable)` where there are no Google credentials.
    https://github.com/grpc/grpc/blob/master/doc/fork_support.md
    """
    try:
        return secretmanager.SecretManagerServiceClient(transport="rest")
    except auth.GoogleAuthError as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "there are no Google credentials") from error


def read_secret(client: secretmanager.SecretManagerServiceClient, resource: str) -> bytes:
    """The payload of a secret's version, or of its newest one where `resource` names none.

    Raises `Transient(credentials_unavailable)`, which says nothing of what is in it.
    """
    name = resource if "/versions/" in resource else f"{resource}/versions/latest"
    try:
        payload = client.access_secret_version(name=name, retry=RETRY, timeout=TIMEOUT).payload
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException) as error:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, f"the secret cannot be read: {type(error).__name__}") from error
    if payload.data_crc32c != google_crc32c.value(payload.data):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret's payload does not match its checksum")
    return bytes(payload.data)


class SecretManagerKeys:
    """The port `KeyStore` on one secret, whose payload is JSON as the AWS tools print it.

    The keys are read again after `max_age` seconds and when S3 rejects them. One thread reads; the others wait only if
    there are no keys yet, or theirs were rejected. While Secret Manager is down the keys that are known stay in use.
    """

    def __init__(
        self,
        client: secretmanager.SecretManagerServiceClient,
        resource: str,
        max_age: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client, self._max_age, self._clock = client, max_age, clock
        self._version = resource if "/versions/" in resource else f"{resource}/versions/latest"
        self._lock = threading.Lock()
        self._keys: AwsKeys | None = None
        self._read_at = 0.0

    def current(self) -> AwsKeys:
        known = self._keys
        if known is not None and self._clock() - self._read_at < self._max_age:
            return known
        if not self._lock.acquire(blocking=known is None):
            assert known is not None  # noqa: S101  only then the lock was not waited for
            return known
        try:
            if self._keys is None:
                self._keys = self._read()
            elif self._clock() - self._read_at >= self._max_age:
                self._refresh(self._keys)
            return self._keys
        finally:
            self._lock.release()

    def renew(self, rejected: AwsKeys) -> bool:
        with self._lock:
            if self._keys == rejected:
                self._refresh(rejected)
            return self._keys != rejected

    def _refresh(self, known: AwsKeys) -> None:
        try:
            self._keys = self._read()
        except Transient:
            self._keys = known
            self._read_at = self._clock()  # not before the next interval again

    def _read(self) -> AwsKeys:
        try:
            payload = self._client.access_secret_version(name=self._version, retry=RETRY, timeout=TIMEOUT).payload
        except api.FailedPrecondition as error:
            raise Transient(
                Reason.CREDENTIALS_UNAVAILABLE,
                "the secret's version is disabled or destroyed; `latest` is the newest one",
            ) from error
        except (api.GoogleAPIError, auth.GoogleAuthError) as error:
            raise Transient(
                Reason.CREDENTIALS_UNAVAILABLE, f"Secret Manager cannot be read: {type(error).__name__}"
            ) from error
        if payload.data_crc32c != google_crc32c.value(payload.data):
            raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret's payload does not match its checksum")
        keys = parse_keys(payload.data)
        self._read_at = self._clock()
        return keys


def parse_keys(payload: bytes) -> AwsKeys:
    """The keys in a payload such as `aws sts get-session-token` (`Credentials`), `aws iam create-access-key`
    (`AccessKey`) or the `credential_process` protocol print. Raises `Transient(credentials_unavailable)`, which names
    what is missing and nothing of what is there: a new version of the secret mends it.
    """
    try:
        document = json.loads(payload)
        document = document.get("Credentials") or document.get("AccessKey") or document
        key_id, secret, token = (document.get(n) for n in ("AccessKeyId", "SecretAccessKey", "SessionToken"))
    except (ValueError, AttributeError, RecursionError):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret is not a JSON object with AWS keys") from None
    if not (isinstance(key_id, str) and key_id and isinstance(secret, str) and secret):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret lacks AccessKeyId or SecretAccessKey")
    if token is not None and not isinstance(token, str):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret's SessionToken is not text")
    return AwsKeys(key_id, secret, token or None)
