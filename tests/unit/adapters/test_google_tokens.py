"""Identity tokens: only what Google signed, for us, in its time, proves an e-mail address."""

import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from google.auth import jwt
from google.auth.crypt import ES256Signer

from replicator.adapters.google_tokens import CLOCK_SKEW_SECONDS, GoogleIdentityTokens
from replicator.errors import Permanent, Transient
from replicator.reasons import Reason
from tests.google_keys import encoded, signing_key

AUDIENCE, EMAIL = "https://replicator.example.com/", "push@project.iam.gserviceaccount.com"
KEY = signing_key("key-1")
INVALID, EXPIRED, NOT_ALLOWED = Reason.TOKEN_INVALID, Reason.TOKEN_EXPIRED, Reason.CALLER_NOT_ALLOWED
ABSENT = "absent"
SLACK = 10
"""Seconds that a test may take."""


def claims(**changed: object) -> dict:
    now = int(time.time())
    usual = {
        "iss": "https://accounts.google.com",
        "aud": AUDIENCE,
        "azp": "1",
        "sub": "1",
        "email": EMAIL,
        "email_verified": True,
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not ABSENT}


@pytest.fixture
def tokens():
    return GoogleIdentityTokens({KEY.id: KEY.certificate}.get, (AUDIENCE, "another"))


def refused(tokens, token) -> tuple[Reason, str]:
    with pytest.raises(Permanent) as failed:
        tokens.verify(token)
    assert token not in str(failed.value) or not token
    assert failed.value.__suppress_context__ or failed.value.__context__ is None
    return failed.value.reason, failed.value.detail


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"iss": "accounts.google.com"},
        {"aud": "another"},
        {"nbf": 0},
        {"more": "claims"},
    ],
)
def test_a_token_that_google_signed_for_us_proves_an_address(tokens, changed):
    assert tokens.verify(KEY.sign(claims(**changed))) == EMAIL


@pytest.mark.parametrize("seconds", [-CLOCK_SKEW_SECONDS + SLACK, 0, CLOCK_SKEW_SECONDS - SLACK])
def test_the_clocks_may_differ(tokens, seconds):
    now = int(time.time())
    assert tokens.verify(KEY.sign(claims(iat=now + seconds, nbf=now + seconds)))
    assert tokens.verify(KEY.sign(claims(exp=now + abs(seconds) - CLOCK_SKEW_SECONDS + SLACK)))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"exp": -CLOCK_SKEW_SECONDS - SLACK}, (EXPIRED, "")),
        ({"exp": -(10**12)}, (EXPIRED, "")),
        ({"iat": CLOCK_SKEW_SECONDS + SLACK}, (INVALID, "not_yet_valid")),
        ({"nbf": CLOCK_SKEW_SECONDS + SLACK}, (INVALID, "not_yet_valid")),
    ],
)
def test_but_not_by_more_than_is_allowed(tokens, changed, expected):
    now = int(time.time())
    assert refused(tokens, KEY.sign(claims(**{name: now + by for name, by in changed.items()}))) == expected


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"iss": "https://accounts.google.com.example.com"}, (INVALID, "issuer")),
        ({"iss": "https://securetoken.google.com/project"}, (INVALID, "issuer")),
        ({"iss": ABSENT}, (INVALID, "issuer")),
        ({"iss": ["accounts.google.com"]}, (INVALID, "issuer")),
        ({"aud": "https://other.example.com/"}, (INVALID, "audience")),
        ({"aud": AUDIENCE[:-1]}, (INVALID, "audience")),
        ({"aud": [AUDIENCE]}, (INVALID, "audience")),
        ({"aud": ABSENT}, (INVALID, "audience")),
        ({"aud": None}, (INVALID, "audience")),
        ({"email_verified": False}, (NOT_ALLOWED, "email_verified")),
        ({"email_verified": "true"}, (NOT_ALLOWED, "email_verified")),
        ({"email_verified": 1}, (NOT_ALLOWED, "email_verified")),
        ({"email_verified": ABSENT}, (NOT_ALLOWED, "email_verified")),
        ({"email": ABSENT}, (NOT_ALLOWED, "email_verified")),
        ({"email": [EMAIL]}, (NOT_ALLOWED, "email_verified")),
        ({"exp": ABSENT}, (INVALID, "form")),
        ({"iat": ABSENT}, (INVALID, "form")),
        ({"exp": "9999999999"}, (INVALID, "form")),
        ({"exp": float("inf")}, (INVALID, "form")),
        ({"exp": float("nan")}, (INVALID, "form")),
        ({"iat": None}, (INVALID, "form")),
        ({"nbf": "0"}, (INVALID, "form")),
    ],
    ids=str,
)
def test_a_claim_that_is_not_as_it_must_be(tokens, changed, expected):
    assert refused(tokens, KEY.sign(claims(**changed))) == expected


def elliptic_token() -> str:
    private = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return jwt.encode(ES256Signer.from_string(private, KEY.id), claims()).decode()


def test_only_rs256_is_a_signature(tokens):
    assert refused(tokens, elliptic_token()) == (INVALID, "algorithm")
    for algorithm in ("none", "None", "HS256", "RS384", "PS256", "rs256", "", None, 1, ["RS256"], {}):
        assert refused(tokens, KEY.sign(claims(), alg=algorithm)) == (INVALID, "algorithm")


def test_only_googles_key_signs(tokens):
    assert refused(tokens, signing_key("another").sign(claims(), kid=KEY.id)) == (INVALID, "signature")
    assert refused(tokens, signing_key("another").sign(claims())) == (INVALID, "key")
    assert refused(tokens, KEY.sign(claims(), kid=None)) == (INVALID, "form")
    assert refused(tokens, KEY.sign(claims(), kid=[KEY.id])) == (INVALID, "form")


def test_nothing_that_was_signed_can_be_changed(tokens):
    header, body, signature = KEY.sign(claims()).split(".")
    other = encoded(claims(email="other@example.com"))
    later = encoded({"alg": "RS256", "kid": KEY.id, "typ": "JWT", "x": 1})
    changed = [
        f"{header}.{other}.{signature}",
        f"{later}.{body}.{signature}",
        f"{header}.{body}.",
        f"{header}.{body}.AA",
    ]
    for token in changed:
        assert refused(tokens, token) == (INVALID, "signature")


def test_a_signature_is_looked_at_before_what_it_signs(tokens):
    """Else a forged token would be called expired."""
    forged = signing_key("another").sign(claims(exp=0, iss="x", aud="x"), kid=KEY.id)
    assert refused(tokens, forged) == (INVALID, "signature")


HEADER = {"alg": "RS256", "kid": KEY.id}
LONG_NUMBER = b'{"exp": ' + b"9" * 5000 + b"}"


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "..",
        "a.b",
        "a.b.c.d",
        "é.é.é",
        "\udc80.a.b",
        f"{encoded(HEADER)}.{encoded(b'[]')}.AA",
        f"{encoded(b'[]')}.{encoded({})}.AA",
        f"{encoded(b'null')}.{encoded({})}.AA",
        f"{encoded(HEADER)}.{encoded(b'{')}.AA",
        f"{encoded(HEADER)}.{encoded(bytes([0xFF, 0xFE]))}.AA",
        f"{encoded(HEADER)}.{encoded(b'[' * 5000)}.AA",
        f"{encoded(b'[' * 5000)}.{encoded({})}.AA",
        f"{encoded(HEADER)}.{encoded(LONG_NUMBER)}.AA",
        f"{encoded(HEADER)}.A.AA",
    ],
    ids=range(16),
)
def test_what_is_no_token_is_malformed_and_asks_for_no_certificate(token):
    tokens = GoogleIdentityTokens(lambda key_id: pytest.fail("asked"), (AUDIENCE,))
    assert refused(tokens, token) == (INVALID, "form")


def test_without_certificates_a_token_is_neither_right_nor_wrong():
    def find(key_id: str) -> str:
        raise Transient(Reason.CERTIFICATES_UNAVAILABLE)

    with pytest.raises(Transient):
        GoogleIdentityTokens(find, (AUDIENCE,)).verify(KEY.sign(claims()))
