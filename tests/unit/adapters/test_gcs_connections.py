"""Connections are reused, never waited for, and set up by the environment as requests is."""

from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Lock, Thread

import certifi
import pytest
from urllib3.exceptions import HTTPError
from werkzeug.wrappers import Request, Response

from replicator.adapters import gcs_connections
from replicator.adapters.gcs_connections import Connections
from tests.servers import listening


class Peers:
    """A server that keeps connections open, and remembers which of them requests came over, and what they asked for.

    None of `at_once` requests is answered before all of them are there.
    """

    def __init__(self, at_once: int = 1) -> None:
        self.ports: list[int] = []
        self.targets: list[str] = []
        self._all_here, self._lock = Barrier(at_once), Lock()

    def note(self, port: int, target: str) -> None:
        with self._lock:
            self.ports.append(port)
            self.targets.append(target)
        self._all_here.wait(30)

    def __enter__(self) -> str:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peers": self}))
        self._thread = Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return f"http://127.0.0.1:{self._server.server_port}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    peers: Peers
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.peers.note(self.client_address[1], self.path)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_proxy_of_this_machine(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_one_request_after_another_uses_one_connection():
    peers, connections = Peers(), Connections(4)
    with peers as url:
        for _ in range(5):
            assert connections.send("GET", f"{url}/a?b=c", {}).data == b"{}"
    assert len(set(peers.ports)) == 1
    assert set(peers.targets) == {"/a?b=c"}


def test_more_threads_than_connections_do_not_wait_and_the_pool_is_reused():
    peers, connections = Peers(at_once=6), Connections(2)
    with peers as url, ThreadPoolExecutor(6) as pool:
        for _ in range(2):
            answers = list(pool.map(lambda _: connections.send("GET", f"{url}/", {}).status, range(6)))
            assert answers == [200] * 6
    first, second = set(peers.ports[:6]), set(peers.ports[6:])
    assert (len(first), len(second)) == (6, 6)
    assert len(first & second) == 2


def test_two_servers_are_told_apart():
    with listening(lambda _: Response(b"one")) as one, listening(lambda _: Response(b"two")) as two:
        connections = Connections(1)
        assert [connections.send("GET", f"{url}/", {}).data for url in (one, two, one)] == [b"one", b"two", b"one"]


def test_a_redirect_is_an_answer():
    with listening(lambda _: Response(status=307, headers={"Location": "http://localhost/elsewhere"})) as url:
        assert Connections(1).send("GET", f"{url}/", {}).status == 307


def test_a_proxy_of_the_environment_is_asked_for_the_whole_address(monkeypatch):
    peers = Peers()
    with peers as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert Connections(1).send("GET", "http://storage.example/a/b?c=d", {}).status == 200
    assert peers.targets == ["http://storage.example/a/b?c=d"]


def test_an_https_server_is_reached_through_a_tunnel(monkeypatch):
    asked = []

    def refuse(request: Request) -> Response:
        asked.append((request.method, request.environ["RAW_URI"]))
        return Response(status=502)

    with listening(refuse) as proxy:
        monkeypatch.setenv("https_proxy", proxy)
        with pytest.raises(HTTPError):
            Connections(1).send("GET", "https://storage.example/a", {})
    assert asked == [("CONNECT", "storage.example:443")]


def test_no_proxy_is_obeyed(monkeypatch):
    with listening(lambda _: Response(b"direct")) as url:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert Connections(1).send("GET", f"{url}/", {}).data == b"direct"


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", None])
def test_certificates_are_verified_with_the_bundle_of_the_environment(monkeypatch, tmp_path, variable):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    bundle = tmp_path / "bundle.pem"
    bundle.touch()
    if variable:
        monkeypatch.setenv(variable, str(bundle))
    pool = Connections(7)._found("https://storage.example").pool
    assert (pool.cert_reqs, pool.ca_certs) == ("CERT_REQUIRED", str(bundle) if variable else certifi.where())
    assert (pool.pool.maxsize, pool.block) == (7, False)


def test_the_environment_is_looked_at_once_for_each_server(monkeypatch):
    looked = []
    server = gcs_connections._Adapter.server
    monkeypatch.setattr(
        gcs_connections._Adapter, "server", lambda self, origin: looked.append(origin) or server(self, origin)
    )
    with listening(lambda _: Response()) as url:
        connections = Connections(1)
        for path in ("/a", "/b", "/c"):
            connections.send("GET", url + path, {})
    assert looked == [url]
