"""Who comes in at the doors of the target `replicate` where it checks its callers itself: nobody but whom it knows."""

import hmac
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from cryptography.hazmat.primitives import serialization

from replicator.adapters import google_certificates
from replicator.bootstrap import guard
from replicator.settings import ReplicateSettings
from replicator.web.auth import OPEN
from replicator.web.openapi import describe
from replicator.web.openapi_auth import guarded
from replicator.web.openapi_doors import REPLICATE
from replicator.web.replicate import ReplicateDoors
from replicator.web.requests import SECRET_HEADER
from tests.google_keys import SigningKey, encoded, signing_key
from tests.identity_servers import CertificateServer, IdentityServer, running
from tests.servers import AWS, cloud_storage, listening
from tests.service.observed import REPLICATE as RULES
from tests.service.observed import Observed, observed

AUDIENCE = "https://replicator.example.com/"
PUSH, PERSON, STRANGER = "push@project.iam.gserviceaccount.com", "someone@example.com", "stranger@example.com"
GOOGLE, IMPOSTOR = signing_key("google-1"), signing_key("impostor")
OIDC = {"AUTH": "oidc", "OIDC_AUDIENCES": f"https://other.example.com/,{AUDIENCE}", "OIDC_EMAILS": f"{PUSH},{PERSON}"}
NOWHERE = "http://127.0.0.1:1"


def claims(**changed: object) -> dict[str, Any]:
    """Of a token that is right, but for what is changed."""
    now = int(time.time())
    usual = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "azp": "1", "sub": "1", "iat": now}
    return {**usual, "exp": now + 3600, "email": PUSH, "email_verified": True, **changed}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# --- What a caller may try --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """What somebody sends, and what the answer has to be: status, reason and the word for the check."""

    headers: dict[str, str]
    status: int = 401
    reason: str = "token_invalid"
    check: str = ""
    query: dict[str, str] = field(default_factory=dict)


def without_algorithm() -> str:
    return f"{encoded({'alg': 'none', 'kid': GOOGLE.id})}.{encoded(claims())}."


def signed_with_the_public_key(algorithm: str, public: str) -> str:
    """What fools whoever takes the algorithm from the token, and the public key for a shared secret."""
    signed = f"{encoded({'alg': algorithm, 'kid': GOOGLE.id})}.{encoded(claims())}"
    return f"{signed}.{encoded(hmac.digest(public.encode(), signed.encode(), 'sha256'))}"


def attempts() -> dict[str, Attempt]:
    now, right = int(time.time()), GOOGLE.sign(claims())
    header, body, signature = right.split(".")
    forms = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    public = GOOGLE.private.public_key().public_bytes(*forms).decode()
    missing = {"reason": "token_missing"}
    unknown = {"status": 403, "reason": "caller_not_allowed"}

    def with_claims(check: str, **changed: object) -> Attempt:
        return Attempt(bearer(GOOGLE.sign(claims(**changed))), check=check)

    return {
        "nothing": Attempt({}, **missing),
        "an empty header": Attempt({"Authorization": ""}, **missing),
        "a token without its scheme": Attempt({"Authorization": right}, **missing),
        "a token as Basic": Attempt({"Authorization": f"Basic {right}"}, **missing),
        "a token in another header": Attempt({"X-Authorization": f"Bearer {right}"}, **missing),
        "a token for Cloud Run": Attempt({"X-Serverless-Authorization": f"Bearer {right}"}, **missing),
        "a token for a proxy": Attempt({"Proxy-Authorization": f"Bearer {right}"}, **missing),
        "a token in a cookie": Attempt({"Cookie": f"token={right}; Authorization=Bearer {right}"}, **missing),
        "a token as ingest secret": Attempt({SECRET_HEADER: right}, **missing),
        "a token in the query": Attempt({}, query={"access_token": right}, **missing),
        "no token after the scheme": Attempt({"Authorization": "Bearer !"}, check="form"),
        "two tokens": Attempt({"Authorization": f"Bearer {right}, Bearer {right}"}, check="form"),
        "a word": Attempt(bearer("letmein"), check="form"),
        "dots": Attempt(bearer(".."), check="form"),
        "no JSON": Attempt(bearer(f"{encoded(b'{')}.{body}.{signature}"), check="form"),
        "deep JSON": Attempt(bearer(f"{header}.{encoded(b'[' * 4000)}.{signature}"), check="form"),
        "no key id": Attempt(bearer(GOOGLE.sign(claims(), kid=None)), check="form"),
        "unsigned": Attempt(bearer(f"{header}.{body}."), check="signature"),
        "signature taken away": Attempt(bearer(f"{header}.{body}.{encoded(b'SIGNATURE_REMOVED')}"), check="signature"),
        "alg=none": Attempt(bearer(without_algorithm()), check="algorithm"),
        "alg=none, signed": Attempt(bearer(GOOGLE.sign(claims(), alg="none")), check="algorithm"),
        "HS256 with the public key": Attempt(bearer(signed_with_the_public_key("HS256", public)), check="algorithm"),
        "HS256 with the certificate": Attempt(
            bearer(signed_with_the_public_key("HS256", GOOGLE.certificate)), check="algorithm"
        ),
        "HS256 that says RS256": Attempt(bearer(signed_with_the_public_key("RS256", public)), check="signature"),
        "another's key": Attempt(bearer(IMPOSTOR.sign(claims())), check="key"),
        "another's key under Google's id": Attempt(bearer(IMPOSTOR.sign(claims(), kid=GOOGLE.id)), check="signature"),
        "a changed claim": Attempt(bearer(f"{header}.{encoded(claims(email=PERSON))}.{signature}"), check="signature"),
        "expired": Attempt(bearer(GOOGLE.sign(claims(exp=now - 120))), reason="token_expired"),
        "issued later": with_claims("not_yet_valid", iat=now + 600),
        "valid later": with_claims("not_yet_valid", nbf=now + 600),
        "for ever": with_claims("form", exp=None),
        "another audience": with_claims("audience", aud="https://replicator.example.org/"),
        "the audience without its slash": with_claims("audience", aud=AUDIENCE[:-1]),
        "no audience": with_claims("audience", aud=None),
        "another issuer": with_claims("issuer", iss="https://accounts.example.com"),
        "Firebase's issuer": with_claims("issuer", iss="https://securetoken.google.com/project"),
        "a stranger": Attempt(bearer(GOOGLE.sign(claims(email=STRANGER))), check="email", **unknown),
        "an address in capitals": Attempt(bearer(GOOGLE.sign(claims(email=PUSH.upper()))), check="email", **unknown),
        "an address that goes on": Attempt(bearer(GOOGLE.sign(claims(email=f"{PUSH}.de"))), check="email", **unknown),
        "an unverified address": Attempt(
            bearer(GOOGLE.sign(claims(email_verified=False))), check="email_verified", **unknown
        ),
        "no address": Attempt(bearer(GOOGLE.sign(claims(email=None))), check="email_verified", **unknown),
    }


ATTEMPTS = attempts()
EXAMPLES = {"bucket": "replica-bucket", "key": "k", "asset": "docs.js"}
"""What the variable parts of a door's path are here."""


def path_of(door: tuple[str, str]) -> str:
    """A path that leads to the door; its variable parts are those that the router names."""
    parts = [part.removeprefix("key:") for part in door[1].replace(">", "<").split("<")]
    return "".join(EXAMPLES[part] if number % 2 else part for number, part in enumerate(parts))


def closed(service: Any) -> list[tuple[str, str]]:
    """The doors for which the description wants something."""
    return [door for door, operation in service.operations.items() if operation.security]


CLOSED = closed(guarded(REPLICATE))
DOORS = pytest.mark.parametrize("door", CLOSED, ids=" ".join)


# --- The target `replicate`, which checks its callers itself ----------------------------------------------------------


@dataclass
class Guarded:
    """The service, the Cloud Storage behind it, and Google's certificates."""

    service: Observed
    storage: Any
    google: IdentityServer

    def knock(self, door: tuple[str, str], attempt: Attempt) -> requests.Response:
        path = path_of(door) + (f"?{urlencode(attempt.query)}" if attempt.query else "")
        return self.service.call(door[0], path, json={}, headers=attempt.headers)


@pytest.fixture(scope="module")
def guarded_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with running(CertificateServer) as google, cloud_storage("replica-bucket") as storage:
        google.keys = [GOOGLE]
        sides = {**AWS, "AWS_ENDPOINT_URL_S3": NOWHERE, "STORAGE_EMULATOR_HOST": storage.url, "MAX_RETRIES": "0"}
        told = {**RULES, **sides, **OIDC, "OIDC_CERTIFICATES_URL": f"{google.url}/certs"}
        with observed(tmp_path_factory.mktemp("replicate"), **told) as service:
            assert service.call("POST", "/", json={}, headers=bearer(GOOGLE.sign(claims()))).status_code == 400
            yield Guarded(service, storage, google)


@DOORS
def test_whoever_is_not_known_is_turned_away_at_every_door_and_touches_nothing(guarded_service, door):
    touched = len(guarded_service.storage.requests)
    for name, attempt in ATTEMPTS.items():
        answer = guarded_service.knock(door, attempt)
        assert (answer.status_code, answer.json()["reason"]) == (attempt.status, attempt.reason), name
        assert answer.json()["detail"].endswith(f" ({attempt.check})" if attempt.check else "."), name
        assert answer.headers["Content-Type"] == "application/problem+json", name
        assert ("WWW-Authenticate" in answer.headers) == (attempt.status == 401), name
    assert len(guarded_service.storage.requests) == touched


@DOORS
def test_whoever_is_known_comes_in_at_every_door(guarded_service, door):
    for email in (PUSH, PERSON):
        answer = guarded_service.knock(door, Attempt(bearer(GOOGLE.sign(claims(email=email)))))
        assert answer.status_code not in (401, 503)
        assert answer.json()["reason"] in {"request_malformed", "event_malformed", "destination_not_found"}


def test_every_door_but_the_open_ones_is_closed(guarded_service):
    """Held against the running service's own description, which a test holds against its router."""
    described = guarded_service.service.call("GET", "/openapi.json").json()
    assert described == describe(guarded(REPLICATE))
    assert set(CLOSED) == set(REPLICATE.operations) - OPEN
    assert len(CLOSED) >= 7
    for door in OPEN:
        assert guarded_service.service.call(door[0], path_of(door)).status_code in (
            200,
            503,
        )  # not ready: there is no S3


@pytest.mark.parametrize("path", ["//", "/v1//replicate", "/V1/replicate", "/v1/replicate/", "/health/../v1/replicate"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "OPTIONS", "TRACE"])
def test_no_other_spelling_of_a_path_or_a_method_leads_in(guarded_service, method, path):
    url = guarded_service.service.url + path
    with requests.Session() as session:
        prepared = session.prepare_request(requests.Request(method, url, json={}))
        prepared.url = url  # as it is written
        assert session.send(prepared, timeout=60).status_code in (401, 404, 405)


def test_each_refusal_is_one_line_with_the_check_and_without_the_token(guarded_service):
    service, told = guarded_service.service, len(guarded_service.service.fields())
    for attempt in ATTEMPTS.values():
        guarded_service.knock(("POST", "/"), attempt)
    service.call("POST", "/", json={}, headers=bearer(GOOGLE.sign(claims())))
    service.wait_for_line(lambda line: line.get("caller") == PUSH and line in service.fields()[told:])
    lines = service.fields()[told:]
    refused = [(line["reason"], line.get("detail", "")) for line in lines[:-1]]
    assert refused == [(attempt.reason, attempt.check) for attempt in ATTEMPTS.values()]
    assert {line["severity"] for line in lines[:-1]} == {"WARNING"}
    said = "\n".join(service.lines)
    for attempt in ATTEMPTS.values():
        for value in (*attempt.headers.values(), *attempt.query.values()):
            for part in value.split("."):
                assert len(part) < 24 or part not in said
    assert STRANGER not in said


def test_certificates_are_asked_for_seldom_whatever_callers_send(guarded_service):
    """Beside the first time: each attempt with an unknown key would ask, if it might."""
    asked = len(guarded_service.google.asked)
    began = time.monotonic()
    for number in range(50):
        token = IMPOSTOR.sign(claims(), kid=f"made-up-{number}")
        assert guarded_service.knock(("POST", "/"), Attempt(bearer(token))).status_code == 401
    seldom = 1 + (time.monotonic() - began) / google_certificates.ASK_AGAIN_SECONDS
    assert len(guarded_service.google.asked) - asked <= seldom


# --- Google's certificates come and go --------------------------------------------------------------------------------


@contextmanager
def doors(google: IdentityServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The doors behind the guard as it is built for a service, in this process: where there is no time to be waited."""
    for name, value in {**RULES, **OIDC, "OIDC_CERTIFICATES_URL": f"{google.url}/certs"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(google_certificates, "ASK_AGAIN_SECONDS", 0)
    with listening(ReplicateDoors(lambda: None, None, guard.build_guard(ReplicateSettings.load()))) as url:
        yield url


def knock(url: str, key: SigningKey) -> tuple[int, str]:
    answer = requests.post(f"{url}/", json={}, headers=bearer(key.sign(claims())), timeout=60)
    return answer.status_code, answer.json()["reason"]


ADMITTED, LATER, REFUSED = (400, "event_malformed"), (503, "certificates_unavailable"), (401, "token_invalid")


def test_without_certificates_a_delivery_is_asked_for_again_and_then_comes_in(monkeypatch):
    with running(CertificateServer) as google, doors(google, monkeypatch) as url:
        google.keys, google.down = [GOOGLE], True
        assert knock(url, GOOGLE) == LATER
        google.down = False
        assert knock(url, GOOGLE) == ADMITTED


def test_while_certificates_cannot_be_read_known_ones_serve_on(monkeypatch):
    """For how long is shown in tests/unit/adapters/test_google_certificates.py, with a clock."""
    with running(CertificateServer) as google, doors(google, monkeypatch) as url:
        google.keys, google.headers = [GOOGLE], {"Cache-Control": "max-age=0"}
        assert knock(url, GOOGLE) == ADMITTED
        google.down = True
        assert [knock(url, GOOGLE), knock(url, IMPOSTOR)] == [ADMITTED, LATER]
        google.down = False
        assert [knock(url, GOOGLE), knock(url, IMPOSTOR)] == [ADMITTED, REFUSED]


def test_googles_own_rotation_goes_unnoticed(monkeypatch):
    successor = signing_key("google-2")
    with running(CertificateServer) as google, doors(google, monkeypatch) as url:
        google.keys = [GOOGLE]
        assert [knock(url, GOOGLE), knock(url, successor)] == [ADMITTED, REFUSED]
        google.keys = [GOOGLE, successor]
        assert [knock(url, GOOGLE), knock(url, successor)] == [ADMITTED, ADMITTED]
        google.keys = [successor]
        assert knock(url, IMPOSTOR) == REFUSED  # which asks for the certificates again
        assert [knock(url, GOOGLE), knock(url, successor)] == [REFUSED, ADMITTED]
