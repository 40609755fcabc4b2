"""Who we are towards Google: the environment's identity, or a service account's key; and what is never said of it."""

import base64
import json
import traceback
from collections.abc import Iterator

import google.auth
import google.auth.iam
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from google.auth.compute_engine import _metadata
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import DefaultCredentialsError
from google.oauth2 import service_account
from hypothesis import given
from hypothesis import strategies as st

from replicator.adapters.google_identity import CLOUD_PLATFORM, GoogleIdentity
from replicator.errors import Transient
from replicator.reasons import Reason
from tests.google_keys import pem, service_account_key
from tests.identity_servers import ACCOUNT, IdentityServer, MetadataServer, TokenServer, identity_token, running

AUDIENCE = "sts.amazonaws.com"


FIELDS = json.loads(service_account_key(ACCOUNT))
PRIVATE_KEY = FIELDS["private_key"]
KEY = json.dumps(FIELDS)


def claims(token: str) -> dict:
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


@pytest.fixture(autouse=True)
def _no_identity_of_this_machine(monkeypatch, tmp_path):
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("google.auth._exponential_backoff.time.sleep", lambda seconds: None)


@pytest.fixture
def metadata(monkeypatch) -> Iterator[MetadataServer]:
    """The library reads where the server is when it is imported, and the address to try when it asks."""
    with running(MetadataServer) as server:
        monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", server.host)
        monkeypatch.setenv("GCE_METADATA_IP", server.host)
        yield server


# --- The identity of the environment ----------------------------------------------------------------------------------


def test_without_a_key_the_credentials_are_the_application_default_ones(monkeypatch):
    asked = []
    monkeypatch.setattr(google.auth, "default", lambda scopes: (asked.extend(scopes), ("default", "p"))[1])
    assert GoogleIdentity().credentials(CLOUD_PLATFORM) == "default"
    assert asked == [CLOUD_PLATFORM]


def test_nothing_is_looked_for_before_credentials_are_needed(monkeypatch):
    looked_for = []
    monkeypatch.setattr(google.auth, "default", lambda scopes: looked_for.append(scopes) or ("default", None))
    identity = GoogleIdentity()
    assert looked_for == []
    identity.credentials(CLOUD_PLATFORM)
    assert looked_for == [[CLOUD_PLATFORM]]


def test_without_google_credentials_the_error_says_so(monkeypatch):
    def none(**_):
        raise DefaultCredentialsError("a path that should not be shown")

    monkeypatch.setattr(google.auth, "default", none)
    with pytest.raises(Transient) as missing:
        GoogleIdentity().credentials(CLOUD_PLATFORM)
    assert missing.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert "path" not in str(missing.value)


@pytest.mark.parametrize("ask", [lambda identity: identity.credentials(CLOUD_PLATFORM), GoogleIdentity.email])
def test_a_folder_in_the_place_of_credentials_is_none(monkeypatch, tmp_path, ask):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path))
    with pytest.raises(Transient, match="there are no Google credentials: IsADirectoryError"):
        ask(GoogleIdentity())


@pytest.mark.parametrize("answer", ["no token", {"email": 17}])
def test_whom_google_sees_is_not_known_from_an_answer_that_is_none(metadata, monkeypatch, answer):
    monkeypatch.setattr(type(metadata), "answer", lambda self, request: (200, answer))
    with pytest.raises(Transient, match="Google"):
        GoogleIdentity().email()


def test_identity_tokens_come_from_the_metadata_server_anew_each_time(metadata):
    identity = GoogleIdentity()
    tokens = [identity.token(AUDIENCE) for _ in range(2)]
    assert [claims(token)["aud"] for token in tokens] == [AUDIENCE, AUDIENCE]
    assert tokens[0] != tokens[1]


def test_a_metadata_server_that_fails_is_transient(metadata):
    metadata.down = True
    with pytest.raises(Transient) as down:
        GoogleIdentity().token(AUDIENCE)
    assert down.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert down.value.detail.startswith("there is no Google identity token: ")


@pytest.mark.parametrize("answer", ["no token", "a.b.c", "", {"email": 17}])
def test_a_metadata_server_that_answers_with_something_else_is_transient(metadata, monkeypatch, answer):
    monkeypatch.setattr(type(metadata), "answer", lambda self, request: (200, answer))
    with pytest.raises(Transient) as garbage:
        GoogleIdentity().token(AUDIENCE)
    assert garbage.value.reason is Reason.CREDENTIALS_UNAVAILABLE


def test_a_persons_credentials_give_no_identity_token(monkeypatch, tmp_path):
    file = tmp_path / "adc.json"
    file.write_text(json.dumps({"type": "authorized_user", "client_id": "c", "refresh_token": "r"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    monkeypatch.setenv("GCE_METADATA_IP", "127.0.0.1:1")
    with pytest.raises(Transient) as person:
        GoogleIdentity().token(AUDIENCE)
    assert person.value.reason is Reason.CREDENTIALS_UNAVAILABLE


# --- A service account's key ------------------------------------------------------------------------------------------


def test_a_key_gives_credentials_of_the_scope_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(google.auth, "default", lambda scopes: pytest.fail("the key was not used"))
    credentials = GoogleIdentity(KEY).credentials(CLOUD_PLATFORM)
    assert isinstance(credentials, service_account.Credentials)
    assert (credentials.service_account_email, credentials.scopes) == (ACCOUNT, [CLOUD_PLATFORM])


def test_a_key_whose_line_breaks_were_expanded_on_the_way_is_the_same_key():
    expanded = KEY.replace("\\n", "\n")
    assert expanded != KEY
    assert GoogleIdentity(expanded).credentials(CLOUD_PLATFORM).service_account_email == ACCOUNT


def test_a_key_gives_identity_tokens_anew_each_time():
    with running(TokenServer) as server:
        identity = GoogleIdentity(json.dumps(FIELDS | {"token_uri": f"{server.url}/token"}))
        tokens = [identity.token(AUDIENCE) for _ in range(2)]
    assert [claims(token)["aud"] for token in tokens] == [AUDIENCE, AUDIENCE]
    assert tokens[0] != tokens[1]


def test_a_token_server_that_fails_is_transient():
    with running(TokenServer) as server:
        server.down = True
        with pytest.raises(Transient) as down:
            GoogleIdentity(json.dumps(FIELDS | {"token_uri": f"{server.url}/token"})).token(AUDIENCE)
    assert down.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert PRIVATE_KEY[40:80] not in "".join(traceback.format_exception(down.value))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "null",
        "[]",
        "[" * 100_000,
        KEY[:-1],
        json.dumps(KEY),
        json.dumps(FIELDS | {"private_key": ""}),
        json.dumps(FIELDS | {"private_key": PRIVATE_KEY[:-200]}),
        json.dumps(FIELDS | {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))}),
        *(
            json.dumps({**FIELDS, name: value})
            for name in ("private_key", "client_email", "token_uri")
            for value in (None, 17, [])
        ),
        *(
            json.dumps({k: v for k, v in FIELDS.items() if k != name})
            for name in ("private_key", "client_email", "token_uri")
        ),
        json.dumps({"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}),
    ],
)
def test_what_is_no_key_is_an_error_that_holds_nothing_of_it(key):
    with pytest.raises(ValueError, match=r"^is not the key of a Google service account$") as wrong:
        GoogleIdentity(key)
    assert wrong.value.__suppress_context__
    assert PRIVATE_KEY[40:80] not in "".join(traceback.format_exception(wrong.value))


@given(
    st.one_of(
        st.text(),
        st.dictionaries(
            st.sampled_from(sorted(FIELDS)), st.one_of(st.text(), st.none(), st.integers(), st.just(PRIVATE_KEY))
        ).map(json.dumps),
    )
)
def test_any_text_is_a_key_or_a_value_error(text):
    try:
        GoogleIdentity(text)
    except ValueError as error:
        assert str(error) == "is not the key of a Google service account"


# --- Somebody else's identity -----------------------------------------------------------------------------------------


class Iam(IdentityServer):
    """The IAM credentials API: gives tokens of `LENT` to those who may act as it."""

    allowed = True

    def answer(self, request):
        if not self.allowed:
            return 403, {"error": {"message": "the text of an error"}}
        if request.path.endswith(":generateIdToken"):
            return 200, {"token": identity_token(AUDIENCE)}
        return 200, {"accessToken": "lent", "expireTime": "2099-01-01T00:00:00Z"}


LENT = "lent@project.iam.gserviceaccount.com"


@pytest.fixture
def iam(monkeypatch, metadata) -> Iterator[Iam]:
    with running(Iam) as server:
        for name in ("_IAM_ENDPOINT", "_IAM_IDTOKEN_ENDPOINT"):
            address = getattr(google.auth.iam, name)
            monkeypatch.setattr(google.auth.iam, name, f"{server.url}/{address.partition('/v1/')[2]}")
        yield server


def test_a_lent_identity_gets_tokens_of_its_own(iam):
    identity = GoogleIdentity(impersonated=LENT)
    assert identity.email() == LENT
    assert claims(identity.token(AUDIENCE))["aud"] == AUDIENCE
    assert [request.path.rpartition("/")[2] for request in iam.asked][:1] == [f"{LENT}:generateAccessToken"]
    assert iam.asked[-1].path.endswith(f"/{LENT}:generateIdToken")


def test_a_lent_identity_that_is_refused_is_an_error_without_the_answer_s_text(iam):
    iam.allowed = False
    identity = GoogleIdentity(impersonated=LENT)
    for ask in (identity.email, lambda: identity.token(AUDIENCE)):
        with pytest.raises(Transient) as refused:
            ask()
        assert refused.value.reason is Reason.CREDENTIALS_UNAVAILABLE
        assert "the text of an error" not in str(refused.value)


def test_whom_google_sees_is_known_of_a_service_account(metadata):
    assert GoogleIdentity().email() == ACCOUNT


def test_whom_google_sees_is_not_known_of_a_person(monkeypatch):
    class Person(AnonymousCredentials):
        def refresh(self, request):
            pass

    monkeypatch.setattr(google.auth, "default", lambda scopes: (Person(), None))
    assert GoogleIdentity().email() is None
