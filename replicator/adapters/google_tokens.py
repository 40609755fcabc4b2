"""Verifies identity tokens that Google has signed. https://cloud.google.com/docs/authentication/token-types#id"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.auth import jwt
from google.auth.exceptions import InvalidValue

from replicator.errors import Permanent
from replicator.reasons import Reason

ISSUERS = ("https://accounts.google.com", "accounts.google.com")

ALGORITHM = "RS256"
"""The only one: google-auth would take ES256, too."""

CLOCK_SKEW_SECONDS = 60
"""How far our clock and Google's may be apart."""


class GoogleIdentityTokens:
    """The port `IdentityTokens`, for tokens that were made for one of `audiences`.

    `find_certificate` gives the certificate of a key's id, if there is one.
    """

    def __init__(self, find_certificate: Callable[[str], str | None], audiences: Sequence[str]) -> None:
        self._find_certificate, self._audiences = find_certificate, audiences

    def verify(self, token: str) -> str:
        key_id, claims = _read(token)
        certificate = self._find_certificate(key_id)
        if certificate is None:
            raise _invalid("key")
        _check_signature_and_times(token, certificate, claims)
        if claims.get("iss") not in ISSUERS:
            raise _invalid("issuer")
        if claims.get("aud") not in self._audiences:
            raise _invalid("audience")
        email = claims.get("email")
        if not (isinstance(email, str) and claims.get("email_verified") is True):
            raise Permanent(Reason.CALLER_NOT_ALLOWED, "email_verified")
        return email


def _read(token: str) -> tuple[str, Mapping[str, Any]]:
    """The id of the key and the claims, not believed yet."""
    try:
        header, claims = jwt.decode_header(token), jwt.decode(token, verify=False)  # type: ignore[no-untyped-call]
    except (ValueError, RecursionError):
        raise _invalid("form") from None
    times = (claims.get("iat"), claims.get("exp"), claims.get("nbf", 0))
    if not (isinstance(header.get("kid"), str) and all(isinstance(moment, int) for moment in times)):
        raise _invalid("form")
    if header.get("alg") != ALGORITHM:
        raise _invalid("algorithm")
    return header["kid"], claims


def _check_signature_and_times(token: str, certificate: str, claims: Mapping[str, Any]) -> None:
    now = time.time()
    try:
        jwt.decode(token, certificate, clock_skew_in_seconds=CLOCK_SKEW_SECONDS)  # type: ignore[no-untyped-call]
    except InvalidValue:  # of what google-auth calls so, only the times are left to be wrong
        raise Permanent(Reason.TOKEN_EXPIRED) if claims["exp"] < now else _invalid("not_yet_valid") from None
    except ValueError:
        raise _invalid("signature") from None
    if now + CLOCK_SKEW_SECONDS < claims.get("nbf", 0):  # which google-auth does not look at
        raise _invalid("not_yet_valid")


def _invalid(check: str) -> Permanent:
    return Permanent(Reason.TOKEN_INVALID, check)
