"""Who this process is towards Google."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import google.auth
import google.oauth2.id_token
import requests
from google.auth.credentials import Credentials
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from replicator.errors import Transient
from replicator.reasons import Reason

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
"""The scope that leaves what may be done to IAM."""

NEEDED = ("client_email", "private_key", "token_uri")

TIMEOUT = 10
"""Seconds for one request to Google's token server."""

UNUSABLE = (GoogleAuthError, OSError, LookupError, TypeError, ValueError)
"""What Google's library raises without credentials, and for a file or an answer that is none: it trusts both."""


class GoogleIdentity:
    """The service account whose key is given, else the application default credentials.

    `key` is the text of a service account's key file. Raises `ValueError`, which holds nothing of it, where it is not.
    With `impersonated`, an e-mail address, it is that service account, as which the former has to be allowed to act:
    https://cloud.google.com/iam/docs/service-account-impersonation.
    """

    def __init__(self, key: str | None = None, impersonated: str | None = None) -> None:
        self._key = None if key is None else _parsed(key)
        self._impersonated = impersonated

    def credentials(self, scope: str) -> Credentials:
        """Credentials for Google's clients. Raises `Transient(credentials_unavailable)` where there are none."""
        return self._own_credentials(scope) if self._impersonated is None else self._impersonating(scope)

    def email(self) -> str | None:
        """Whom Google sees, where that is known: a person's own credentials do not say. Asks for a token.

        Raises `Transient(credentials_unavailable)` where there is no such identity.
        """
        credentials = self.credentials(CLOUD_PLATFORM)
        with requests.Session() as session:
            try:
                credentials.refresh(partial(Request(session), timeout=TIMEOUT))  # type: ignore[no-untyped-call]
            except UNUSABLE as error:
                said = f"Google gives no token: {type(error).__name__}"
                raise Transient(Reason.CREDENTIALS_UNAVAILABLE, said) from error
        found = getattr(credentials, "service_account_email", None) or getattr(credentials, "account", None)
        return str(found) if found else None

    def _own_credentials(self, scope: str) -> Credentials:
        if self._key is not None:
            return _service_account(self._key, scopes=[scope])
        try:
            credentials: Credentials = google.auth.default(scopes=[scope])[0]
        except UNUSABLE as error:
            said = f"there are no Google credentials: {type(error).__name__}"
            raise Transient(Reason.CREDENTIALS_UNAVAILABLE, said) from error
        return credentials

    def token(self, audience: str) -> str:
        """A new identity token: from the metadata server or, with a service account's key, from Google's token server.

        Raises `Transient(credentials_unavailable)`, also where the application default credentials are a person's:
        only service accounts get tokens for any audience.
        """
        with requests.Session() as session:
            request = partial(Request(session), timeout=TIMEOUT)
            try:
                identity = self._token_credentials(audience, request)
                identity.refresh(request)  # type: ignore[no-untyped-call]
            except UNUSABLE as error:
                raise Transient(
                    Reason.CREDENTIALS_UNAVAILABLE, f"there is no Google identity token: {type(error).__name__}"
                ) from error
        return str(identity.token)

    def _impersonating(self, scope: str) -> Credentials:
        from google.auth import impersonated_credentials  # noqa: PLC0415  a service never impersonates

        act_as: Any = impersonated_credentials.Credentials
        return cast(Credentials, act_as(self._own_credentials(CLOUD_PLATFORM), self._impersonated, [scope]))

    def _token_credentials(self, audience: str, request: "partial[object]") -> Credentials:
        if self._impersonated is not None:
            from google.auth import impersonated_credentials  # noqa: PLC0415

            of_impersonated: Any = impersonated_credentials.IDTokenCredentials
            return cast(Credentials, of_impersonated(self._impersonating(CLOUD_PLATFORM), audience, include_email=True))
        of_environment: Any = google.oauth2.id_token.fetch_id_token_credentials
        of_key: Any = service_account.IDTokenCredentials.from_service_account_info
        if self._key is None:
            return cast(Credentials, of_environment(audience, request))
        return cast(Credentials, of_key(self._key, target_audience=audience))


def _service_account(key: dict[str, str], scopes: Sequence[str] = ()) -> service_account.Credentials:
    from_info: Any = service_account.Credentials.from_service_account_info
    return cast(service_account.Credentials, from_info(key, scopes=scopes))


def _parsed(key: str) -> dict[str, str]:
    try:
        # A shell or a .env file may have turned the \\n in the private key into line breaks, which strict JSON forbids.
        parsed = json.loads(key, strict=False)
        if not all(isinstance(parsed.get(name), str) for name in NEEDED):
            raise ValueError
        _service_account(parsed).sign_bytes(b"")
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("is not the key of a Google service account") from None
    return {name: value for name, value in parsed.items() if isinstance(value, str)}
