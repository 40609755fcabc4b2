"""The guard: who it lets in, what it says to others, and which doors it stands before."""

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent, Transient
from replicator.reasons import Reason
from replicator.web.auth import OPEN, Guard
from replicator.web.routing import Router

EMAIL = "push@project.iam.gserviceaccount.com"


class FakeTokens:
    """Knows three tokens, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def verify(self, token: str) -> str:
        self.asked.append(token)
        match token:
            case "of.push.x":
                return EMAIL
            case "of.other.x":
                return EMAIL.upper()
            case "soon.known.x":
                raise Transient(Reason.CERTIFICATES_UNAVAILABLE, "HTTP 500")
        raise Permanent(Reason.TOKEN_INVALID, "signature")


class Service:
    def __init__(self) -> None:
        self.tokens, self.entered = FakeTokens(), []
        handlers = {
            ("POST", "/closed"): self.enter,
            ("GET", "/named/<name>"): self.enter,
            ("GET", "/health"): self.enter,
        }
        router = Router(Guard(self.tokens, [EMAIL, "someone@example.com"]).before(handlers))
        self.client = Client(Request.application(router))

    def enter(self, request: Request, **named: str) -> Response:
        self.entered.append((request.get_data(), named))
        return Response("welcome")

    def post(self, *authorization: str):
        return self.client.post("/closed", data=b"body", headers=[("Authorization", value) for value in authorization])


@pytest.fixture
def service():
    return Service()


def test_whoever_is_known_comes_in(service):
    assert service.post("Bearer of.push.x").status_code == 200
    assert service.client.get("/named/a", headers={"Authorization": "Bearer of.push.x"}).status_code == 200
    assert service.entered == [(b"body", {}), (b"", {"name": "a"})]


@pytest.mark.parametrize("header", ["bearer of.push.x", "BEARER of.push.x", "Bearer   of.push.x", " Bearer of.push.x "])
def test_the_scheme_has_any_case_and_spaces(service, header):
    assert service.post(header).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [[], [""], ["of.push.x"], ["Basic of.push.x"], ["Bearerof.push.x"], ["Token Bearer of.push.x"], ["Digest x"]],
)
def test_without_a_token_the_answer_says_what_is_wanted(service, headers):
    answer = service.post(*headers)
    assert (answer.status_code, answer.json["reason"]) == (401, "token_missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (service.tokens.asked, service.entered) == ([], [])


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Bearer of.push.x,Bearer of.push.x",
        "Bearer ö.ö.ö",
        'Bearer "of.push.x"',
        "Bearer a\tb",
    ],
)
def test_what_cannot_be_a_token_is_not_even_read(service, header):
    answer = service.post(header)
    assert answer.status_code == 401
    assert answer.json["reason"] == ("token_invalid" if header.strip() != "Bearer" else answer.json["reason"])
    assert (service.tokens.asked, service.entered) == ([], [])


def test_two_headers_are_none(service):
    assert service.post("Bearer of.push.x", "Bearer of.push.x").status_code == 401


def test_a_token_that_is_not_valid_is_answered_with_the_check_that_failed(service, caplog):
    answer = service.post("Bearer for.ged.token")
    assert (answer.status_code, answer.mimetype) == (401, "application/problem+json")
    assert answer.json["reason"] == "token_invalid"
    assert answer.json["detail"].endswith("(signature)")
    assert answer.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    (line,) = caplog.records
    assert (line.levelname, line.json_fields["detail"], line.json_fields["door"]) == (
        "WARNING",
        "signature",
        "POST /closed",
    )
    assert "for.ged.token" not in f"{answer.text} {answer.headers} {line.getMessage()} {line.json_fields}"
    assert service.entered == []


def test_somebody_else_is_answered_403_and_not_named(service, caplog):
    """An address is compared letter by letter: here it is the one that is known, in capitals."""
    answer = service.post("Bearer of.other.x")
    assert (answer.status_code, answer.json["reason"]) == (403, "caller_not_allowed")
    assert answer.json["detail"].endswith("(email)")
    assert "WWW-Authenticate" not in answer.headers
    (line,) = caplog.records
    assert EMAIL.upper() not in f"{answer.text} {line.getMessage()} {line.json_fields}"
    assert service.entered == []


def test_without_certificates_it_is_not_the_caller_who_is_wrong(service):
    answer = service.post("Bearer soon.known.x")
    assert (answer.status_code, answer.json["reason"]) == (503, "certificates_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert service.entered == []


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_open_door_asks_nobody(service, method):
    assert service.client.open("/health", method=method, headers={"Authorization": "Bearer x"}).status_code == 200
    assert service.tokens.asked == []


def test_head_is_no_way_around(service):
    assert service.client.head("/named/a").status_code == 401


def test_a_door_is_open_only_by_name():
    assert {path for _, path in OPEN} == {"/", "/health", "/ready", "/openapi.json", "/docs", "/docs/<asset>"}
    assert {method for method, _ in OPEN} == {"GET"}


def test_the_lines_of_a_request_say_who_sent_it(service, caplog):
    def fail(_request: Request) -> Response:
        raise Permanent(Reason.SOURCE_ARCHIVED)

    router = Router(Guard(service.tokens, [EMAIL]).before({("POST", "/closed"): fail}))
    Client(Request.application(router)).post("/closed", headers={"Authorization": "Bearer of.push.x"})
    (line,) = caplog.records
    assert line.json_fields["caller"] == EMAIL
