"""AWS as the service meets it, for the doctor: connected to when it is first asked for."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from replicator.adapters.google_identity import GoogleIdentity
from replicator.bootstrap.source import key_stores
from replicator.once import once
from replicator.rules import SourceAccess
from replicator.settings import EngineSettings

POOL_SIZE = 4
AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


class Aws:
    """One way to read S3, with the service's own client. Made, it raises `Transient(credentials_unavailable)`."""

    def __init__(self, settings: EngineSettings, access: SourceAccess, stores: Callable[[SourceAccess], Any]) -> None:
        from replicator.adapters import s3, sts  # noqa: PLC0415  what a command does not use is not imported
        from replicator.adapters.s3_errors import connected  # noqa: PLC0415

        region = settings.aws_region
        self._keys = stores(access)
        self.s3: Any = connected(lambda: s3.connect(self._keys, region, POOL_SIZE, access.request_payer))
        self._sts = connected(lambda: sts.connect_signed(self._keys, region))
        self.arn = once(self._arn)

    def _arn(self) -> str | None:
        """Raises `Transient`. `None` where S3 is not Amazon's, and nobody said whose STS knows its keys."""
        from replicator.adapters import sts  # noqa: PLC0415

        if self._keys is not None:
            self._keys.current()
        if not _is_amazons(self.s3) and _is_amazons(self._sts):
            return None
        return sts.caller(self._sts)


def connections(settings: EngineSettings, identity: GoogleIdentity) -> Callable[[SourceAccess], Aws]:
    """One for each access, made in one thread at a time, since they share the SDK's data (`adapters/aws_data`). What
    could not be made is tried again."""
    lock, stores = Lock(), key_stores(settings, identity)

    @cache
    def connected(access: SourceAccess) -> Aws:
        return Aws(settings, access, stores)

    def connect(access: SourceAccess) -> Aws:
        with lock:
            return connected(access)

    return connect


def _is_amazons(client: Any) -> bool:
    return str(urlsplit(client.meta.endpoint_url).hostname).endswith(AMAZON)
