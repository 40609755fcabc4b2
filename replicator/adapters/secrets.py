"""Reads Secret Manager."""

import google_crc32c
import requests
from google.api_core import exceptions as api
from google.api_core.retry import Retry, if_transient_error
from google.auth import exceptions as auth
from google.auth.credentials import Credentials
from google.cloud.secretmanager import SecretManagerServiceClient

from replicator.errors import Transient
from replicator.reasons import Reason

TIMEOUT = 10
"""Seconds for one read, retries included."""

RETRY = Retry(if_transient_error, initial=0.25, maximum=2, timeout=TIMEOUT)


def connect(credentials: Credentials) -> SecretManagerServiceClient:
    """A client for one process."""
    return SecretManagerServiceClient(credentials=credentials)


def connect_before_fork(credentials: Credentials) -> SecretManagerServiceClient:
    """A client for a process that will fork: a gRPC channel would not survive that. To be closed after use.

    https://github.com/grpc/grpc/blob/master/doc/fork_support.md
    """
    return SecretManagerServiceClient(credentials=credentials, transport="rest")


def read(client: SecretManagerServiceClient, resource: str) -> bytes:
    """The payload of a secret: its newest version, unless the resource name says which. Raises
    `Transient(credentials_unavailable)`, also for what only a person can mend: it can be mended without us."""
    version = resource if "/versions/" in resource else f"{resource}/versions/latest"
    try:
        payload = client.access_secret_version(name=version, retry=RETRY, timeout=TIMEOUT).payload
    except api.FailedPrecondition as error:
        raise Transient(
            Reason.CREDENTIALS_UNAVAILABLE, "the secret's version is disabled or destroyed; `latest` is the newest one"
        ) from error
    except (api.GoogleAPIError, auth.GoogleAuthError, requests.RequestException) as error:
        raise Transient(
            Reason.CREDENTIALS_UNAVAILABLE, f"Secret Manager cannot be read: {type(error).__name__}"
        ) from error
    if payload.data_crc32c != google_crc32c.value(payload.data):
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the secret's payload does not match its checksum")
    return bytes(payload.data)
