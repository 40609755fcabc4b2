"""Pooled connections, set up as requests is by the environment: proxies, bundles of certificates.

requests looks all that up for every request, which costs more than the request itself; here it is looked up once for
each server, and urllib3 does the rest (docs/decisions/018-lean-requests-to-cloud-storage.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import cast

import requests
import requests.adapters
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout

TIMEOUT = (20, 60)
"""Seconds to connect, which urllib3 also takes for each piece that is sent, and seconds to wait for an answer."""

PIECE = 1024 * 1024
"""Bytes of one piece of a body, at most: that many must get away within the time-out."""

Body = bytes | Iterator[memoryview] | None


class Connections:
    """Sends requests, each over an idle connection or else a new one: nobody waits for a free one. The last `size` that
    become idle are kept for each server."""

    def __init__(self, size: int) -> None:
        self._adapter = _Adapter(pool_connections=size, pool_maxsize=size)
        self._servers: dict[str, _Server] = {}
        self._lock = Lock()

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body = None,
        timeout: tuple[float, float] | None = None,
    ) -> BaseHTTPResponse:
        """One request and its whole answer, whatever that is; redirects are not followed. An iterator's headers tell
        its `Content-Length`.

        Raises urllib3's `HTTPError` or an `OSError`, and what iterating over the body raises.
        """
        end = url.find("/", url.index("://") + 3)
        server = self._servers.get(url[:end]) or self._found(url[:end])
        connect, read = timeout or TIMEOUT
        return server.pool.urlopen(
            method,
            server.before_path + url[end:],
            body=body,  # type: ignore[arg-type]  # chunks of any buffer type are sent as they are
            headers=dict(headers),
            retries=False,
            redirect=False,
            assert_same_host=False,
            timeout=Timeout(connect=connect, read=read),
            decode_content=False,
        )

    def _found(self, origin: str) -> "_Server":
        with self._lock:
            return self._servers.setdefault(origin, self._adapter.server(origin))


@dataclass(frozen=True, slots=True)
class _Server:
    """`before_path` is the server's own address where a proxy wants to be told it in every request."""

    pool: HTTPConnectionPool
    before_path: str


class _Adapter(requests.adapters.HTTPAdapter):
    """Lends requests' own way from the environment to a pool of connections."""

    def server(self, origin: str) -> _Server:
        request = requests.Request("GET", f"{origin}/").prepare()
        with requests.Session() as session:
            found = session.merge_environment_settings(origin, {}, None, None, None)
        verify, proxies, cert = found["verify"], found["proxies"], found["cert"]
        pool = self.get_connection_with_tls_context(request, verify, proxies, cert)
        self.cert_verify(pool, origin, verify, cert)  # type: ignore[no-untyped-call]
        return _Server(cast(HTTPConnectionPool, pool), self.request_url(request, proxies).removesuffix("/"))
