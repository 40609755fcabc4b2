"""Google's certificates, with which the signatures of its tokens are checked, kept as long as Google says.

https://developers.google.com/identity/openid-connect/openid-connect#validatinganidtoken
"""

import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Lock

import requests
from google.auth import crypt

from replicator.errors import Transient
from replicator.reasons import Reason

TIMEOUT = (3, 5)
"""Seconds to connect, and to wait for the answer."""

ASK_AGAIN_SECONDS = 10
"""Google is asked once in so many seconds, whatever callers send and however often that fails."""

MAX_AGE_SECONDS = 24 * 3600
"""What no answer may exceed."""

STALE_SECONDS = 3600
"""How much longer than Google says certificates serve while new ones cannot be read."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Certificates:
    """Certificates in PEM by their key's id, and the seconds for which they may be kept."""

    by_key_id: Mapping[str, str] = field(default_factory=dict)
    max_age: float = 0


def fetch(url: str) -> Certificates:
    """What Google answers now. Raises `Transient(certificates_unavailable)`."""
    try:
        answer = requests.get(url, timeout=TIMEOUT, allow_redirects=False)
        if answer.status_code != 200:
            raise Transient(Reason.CERTIFICATES_UNAVAILABLE, f"HTTP {answer.status_code}")
        by_key_id = answer.json()
        if not (isinstance(by_key_id, dict) and by_key_id):
            raise ValueError("not an object of certificates")
        for certificate in by_key_id.values():
            crypt.RSAVerifier.from_string(certificate)  # type: ignore[no-untyped-call]
    except (requests.RequestException, ValueError, TypeError, RecursionError) as error:
        raise Transient(Reason.CERTIFICATES_UNAVAILABLE, type(error).__name__) from error
    return Certificates(by_key_id, _max_age(answer.headers))


def _max_age(headers: Mapping[str, str]) -> float:
    """https://www.rfc-editor.org/rfc/rfc9111#section-4.2"""
    stated = re.search(r"(?:^|[\s,])max-age=(\d{1,9})", headers.get("Cache-Control", ""), re.IGNORECASE)
    age = re.fullmatch(r"\d{1,9}", headers.get("Age", ""))
    seconds = (int(stated[1]) if stated else 0) - (int(age[0]) if age else 0)
    return min(max(seconds, ASK_AGAIN_SECONDS), MAX_AGE_SECONDS)


class KeptCertificates:
    """Asks again when the certificates' time is over, and for the id of a key that is not among them.

    Meanwhile, and where asking fails, those that are known stay in use, for a while.
    """

    def __init__(self, ask: Callable[[], Certificates], clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._lock = Lock()
        self._kept = Certificates()
        self._fresh_until = self._usable_until = self._not_before = -float("inf")
        self._failure: Transient | None = None

    def find(self, key_id: str) -> str | None:
        """The certificate of a key, `None` where Google has none. Raises `Transient(certificates_unavailable)`."""
        usable = self._usable(key_id)
        if usable and self._clock() < self._fresh_until:
            return usable
        # Whoever has a certificate does not wait for a thread that asks for a newer one.
        if self._lock.acquire(blocking=usable is None):
            try:
                if self._clock() >= self._not_before:
                    self._renew()
            finally:
                self._lock.release()
        found = self._usable(key_id)
        if found is None and self._failure:  # it may be among those that could not be read
            raise Transient(self._failure.reason, self._failure.detail) from self._failure.__cause__
        return found

    def _usable(self, key_id: str) -> str | None:
        return self._kept.by_key_id.get(key_id) if self._clock() < self._usable_until else None

    def _renew(self) -> None:
        try:
            self._kept = self._ask()
        except Transient as error:
            self._failure = error
            about = {"reason": str(error.reason), "detail": error.detail}
            logger.warning("Google's certificates cannot be read", extra={"json_fields": about})
        else:
            self._failure = None
            self._fresh_until = self._clock() + self._kept.max_age
            self._usable_until = self._fresh_until + STALE_SECONDS
        self._not_before = self._clock() + ASK_AGAIN_SECONDS
