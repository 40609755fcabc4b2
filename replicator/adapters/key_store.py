"""Keeps AWS keys fresh, wherever they are read from."""

import logging
import threading
import time
from collections.abc import Callable

from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

RETRY_AFTER = 60
"""Seconds after a read that failed, before keys that are known are read again."""

logger = logging.getLogger(__name__)


class RefreshedKeys:
    """The port `KeyStore` on any function that reads keys and raises only `Transient`.

    Keys are read again once they are `max_age` seconds old, and when S3 rejects them. One thread reads; others wait
    only if there are no keys yet or theirs were rejected, and share what the reading came to. Where it fails, known
    keys stay in use: they may well be valid still.
    """

    def __init__(
        self, read: Callable[[], AwsKeys], max_age: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source, self._max_age, self._clock = read, max_age, clock
        self._lock = threading.Lock()
        self._keys: AwsKeys | None = None
        self._due = 0.0
        self._reads = 0
        self._failure = Transient(Reason.CREDENTIALS_UNAVAILABLE)

    def current(self) -> AwsKeys:
        if self._keys is None:
            self._replace(None)
        elif self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                if self._clock() >= self._due:  # nobody was quicker
                    self._read()
            finally:
                self._lock.release()
        if self._keys is None:
            raise Transient(self._failure.reason, self._failure.detail) from self._failure.__cause__
        return self._keys

    def renew(self, rejected: AwsKeys) -> bool:
        self._replace(rejected)
        return self._keys != rejected

    def _replace(self, unwanted: AwsKeys | None) -> None:
        """Reads once for all threads that came while nobody was reading; a read that had begun may be out of date."""
        reads_before = self._reads
        with self._lock:
            if self._keys == unwanted and self._reads == reads_before:
                self._read()

    def _read(self) -> None:
        self._reads += 1
        try:
            self._keys = self._source()
            self._due = self._clock() + self._max_age
        except Transient as error:
            self._failure = error
            self._due = self._clock() + min(self._max_age, RETRY_AFTER)
            if self._keys is not None:  # else the caller hears of it
                about = {"reason": str(error.reason), "detail": error.detail}
                logger.warning(
                    "AWS keys cannot be read again; the known ones stay in use", extra={"json_fields": about}
                )
