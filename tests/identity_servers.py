"""Google's servers and AWS's STS on loopback, as far as they prove who somebody is."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tests.google_keys import SigningKey

ACCOUNT = "replicator@project.iam.gserviceaccount.com"


def identity_token(audience: str, number: int = 1) -> str:
    """A token as Google's, but for the signature. The `number` tells one from another."""
    claims = {
        "aud": audience,
        "azp": "100",
        "sub": "100",
        "email": ACCOUNT,
        "n": number,
        "exp": int(time.time()) + 3600,
    }
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)] + [b"signature"]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


@dataclass
class Asked:
    """One request, with the parameters of its query and its form."""

    path: str
    parameters: dict[str, str]
    headers: dict[str, str]


@dataclass
class IdentityServer:
    """Answers one server's requests as `answer` says: a status and a body, JSON unless it is text."""

    url: str = ""
    down: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc

    def answer(self, request: Asked) -> tuple[int, str | dict]:
        raise NotImplementedError


class MetadataServer(IdentityServer):
    """Gives the default service account's tokens, another one each time."""

    def answer(self, request: Asked) -> tuple[int, str | dict]:
        match request.path.removeprefix("/computeMetadata/v1/instance/service-accounts/default/").split("/")[-1]:
            case "identity":
                return 200, identity_token(request.parameters["audience"], len(self.asked))
            case "universe-domain":
                return 404, ""
            case "token":
                return 200, {"access_token": f"access-{len(self.asked)}", "expires_in": 3600, "token_type": "Bearer"}
            case _:
                return 200, {"email": ACCOUNT, "scopes": [], "aliases": ["default"]}


class TokenServer(IdentityServer):
    """Google's token server: gives the tokens of a service account that proves itself by its key.

    An identity token where an audience is named, else an access token.
    """

    def answer(self, request: Asked) -> tuple[int, str | dict]:
        claims = self._claims(request)
        if "target_audience" in claims:
            return 200, {"id_token": identity_token(claims["target_audience"], len(self.asked))}
        return 200, {"access_token": f"access-{len(self.asked)}", "expires_in": 3600, "token_type": "Bearer"}

    @property
    def accounts(self) -> list[str]:
        """Who asked, as the assertions say."""
        return [self._claims(request)["iss"] for request in self.asked]

    def _claims(self, request: Asked) -> dict:
        return json.loads(base64.urlsafe_b64decode(request.parameters["assertion"].split(".")[1] + "=="))


class CertificateServer(IdentityServer):
    """Google's certificates, of the keys there are. `headers` are those of its answers."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[SigningKey] = []
        self.headers = {"Cache-Control": "public, max-age=3600, must-revalidate, no-transform"}

    def answer(self, request: Asked) -> tuple[int, str | dict]:
        return 200, {key.id: key.certificate for key in self.keys}


class Sts(IdentityServer):
    """Gives keys for any token of `audience`: `ROLE1`, then `ROLE2`, …"""

    audience = "sts.amazonaws.com"

    def answer(self, request: Asked) -> tuple[int, str | dict]:
        token = request.parameters["WebIdentityToken"]
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        if claims["aud"] != self.audience:
            text = f"<Message>text of an error about {token}</Message>"
            return 400, f"<ErrorResponse><Error><Code>InvalidIdentityToken</Code>{text}</Error></ErrorResponse>"
        n = len(self.asked)
        keys = f"<AccessKeyId>ROLE{n}</AccessKeyId><SecretAccessKey>s{n}</SecretAccessKey>"
        keys += f"<SessionToken>t{n}</SessionToken><Expiration>2030-01-01T00:00:00Z</Expiration>"
        result = f"<AssumeRoleWithWebIdentityResult><Credentials>{keys}</Credentials></AssumeRoleWithWebIdentityResult>"
        return 200, f"<AssumeRoleWithWebIdentityResponse>{result}</AssumeRoleWithWebIdentityResponse>"


@contextmanager
def running(kind: type[IdentityServer]) -> Iterator[IdentityServer]:
    server = kind()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            parameters = {name: values[0] for text in (url.query, body) for name, values in parse_qs(text).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.asked.append(Asked(url.path, parameters, headers))
            status, answer = (503, "") if server.down else server.answer(server.asked[-1])
            data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
            self.send_response(status)
            self.send_header("Content-Type", "text/plain" if isinstance(answer, str) else "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Metadata-Flavor", "Google")
            for name, value in server.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):  # whoever asked may have given up
                self.wfile.write(data)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_port}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
