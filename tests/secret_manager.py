"""Something else in the place of Secret Manager, which no variable leads elsewhere."""

from typing import TypeVar

import google_crc32c
import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.secretmanager import AccessSecretVersionResponse, SecretPayload

from replicator.adapters import secrets

Client = TypeVar("Client")


def instead_of_secret_manager(monkeypatch: pytest.MonkeyPatch, client: Client) -> Client:
    """All that connect to Secret Manager from now on get this client, and need no credentials."""
    monkeypatch.setattr(secrets, "SecretManagerServiceClient", lambda **_: client)
    monkeypatch.setattr("google.auth.default", lambda scopes: (AnonymousCredentials(), None))
    return client


def accessed(data: bytes) -> AccessSecretVersionResponse:
    """The answer with this payload and its checksum."""
    return AccessSecretVersionResponse(payload=SecretPayload(data=data, data_crc32c=google_crc32c.value(data)))
