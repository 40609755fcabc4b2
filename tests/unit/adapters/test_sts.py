"""AWS keys for a Google identity: what STS is asked, and what becomes of what it answers."""

import socket
import traceback
from collections.abc import Iterator

import pytest
from botocore.credentials import CredentialResolver
from botocore.retries.standard import ExponentialBackoff

from replicator.adapters.key_store import RefreshedKeys
from replicator.adapters.sts import MAX_AGE, SESSION_SECONDS, assume_role, caller, connect, connect_signed
from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason
from tests.identity_servers import Sts, identity_token, running
from tests.servers import moto

ROLE = "arn:aws:iam::123456789012:role/replicator"
TOKEN = identity_token(Sts.audience)


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    """AWS credentials that must not be used, and no waiting between the SDK's own retries."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENTKEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)


@pytest.fixture
def sts(monkeypatch) -> Iterator[Sts]:
    with running(Sts) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
        yield server


@pytest.fixture
def client(sts):
    client = connect("eu-west-1")
    yield client
    client.close()


def test_the_role_is_asked_for_with_the_token_and_by_name_for_an_hour(sts, client):
    assert assume_role(client, ROLE, lambda: TOKEN) == AwsKeys("ROLE1", "s1", "t1")
    (request,) = sts.asked
    assert {name: request.parameters[name] for name in request.parameters if name != "Version"} == {
        "Action": "AssumeRoleWithWebIdentity",
        "RoleArn": ROLE,
        "RoleSessionName": "replicator",
        "WebIdentityToken": TOKEN,
        "DurationSeconds": "3600",
    }


def test_the_request_is_not_signed_although_the_environment_has_keys(sts, client):
    assume_role(client, ROLE, lambda: TOKEN)
    assert "authorization" not in sts.asked[0].headers
    assert "x-amz-security-token" not in sts.asked[0].headers


def test_no_aws_credentials_are_looked_for(monkeypatch):
    looked: list[CredentialResolver] = []
    monkeypatch.setattr(CredentialResolver, "load_credentials", looked.append)
    connect("eu-west-1").close()
    assert looked == []


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("eu-west-1", "https://sts.eu-west-1.amazonaws.com"),
        ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn"),
        (None, "https://sts.amazonaws.com"),
    ],
)
def test_the_endpoint_is_the_regions(region, endpoint):
    client = connect(region)
    assert client.meta.endpoint_url == endpoint
    client.close()


def test_the_keys_of_another_implementation_of_sts_are_understood(monkeypatch):
    with moto() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        client = connect("us-east-1")
        keys = assume_role(client, ROLE, lambda: TOKEN)
        client.close()
    assert keys.access_key_id.startswith("ASIA")
    assert keys.session_token


def test_a_role_that_does_not_trust_the_identity_is_transient_and_named_by_its_code(client):
    token = identity_token("another-audience")
    with pytest.raises(Transient) as refused:
        assume_role(client, ROLE, lambda: token)
    assert refused.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert refused.value.detail == "AWS STS refuses the role: InvalidIdentityToken"
    assert token not in f"{refused.value} {refused.value!r} {refused.value.args}"


def test_an_sts_that_fails_is_transient(sts, client):
    sts.down = True
    with pytest.raises(Transient) as down:
        assume_role(client, ROLE, lambda: TOKEN)
    assert down.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert len(sts.asked) == 3  # the SDK tries it three times


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no XML <",
        "<html>a page in between</html>",
        "<AssumeRoleWithWebIdentityResponse/>",
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        "<AccessKeyId>half an answer</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResult>"
        "</AssumeRoleWithWebIdentityResponse>",
    ],
)
def test_an_answer_that_is_none_of_stss_is_transient(sts, client, monkeypatch, answer):
    monkeypatch.setattr(sts, "answer", lambda request: (200, answer))
    with pytest.raises(Transient) as unreadable:
        assume_role(client, ROLE, lambda: TOKEN)
    assert unreadable.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert unreadable.value.detail == "the answer is none of AWS STS's"


@pytest.mark.parametrize("expiration", ["", "10000-01-01T00:00:00Z", "yesterday", "1e300"])
def test_a_time_that_no_calendar_has_makes_it_none_of_stss(sts, client, monkeypatch, expiration):
    """The SDK reads it, though we do not."""
    answer = sts.answer
    monkeypatch.setattr(
        sts, "answer", lambda request: (200, answer(request)[1].replace("2030-01-01T00:00:00Z", expiration))
    )
    with pytest.raises(Transient) as unreadable:
        assume_role(client, ROLE, lambda: TOKEN)
    assert unreadable.value.reason is Reason.CREDENTIALS_UNAVAILABLE


def test_an_sts_that_is_not_there_is_transient(monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "http://{}:{}".format(*unused.getsockname()))
        client = connect("eu-west-1")
        with pytest.raises(Transient) as down:
            assume_role(client, ROLE, lambda: TOKEN)
        client.close()
    assert down.value.detail == "AWS STS does not answer: EndpointConnectionError"
    assert TOKEN not in "".join(traceback.format_exception(down.value))


def test_an_identity_that_has_no_token_says_so_itself(sts, client):
    def none() -> str:
        raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the identity's own words")

    with pytest.raises(Transient, match="the identity's own words"):
        assume_role(client, ROLE, none)
    assert sts.asked == []


def test_new_keys_are_fetched_with_a_new_token_before_the_old_ones_expire(sts, client):
    now, tokens = [0.0], iter([identity_token(Sts.audience, 1), identity_token(Sts.audience, 2)])
    keys = RefreshedKeys(lambda: assume_role(client, ROLE, lambda: next(tokens)), MAX_AGE, lambda: now[0])
    assert keys.current().access_key_id == "ROLE1"
    now[0] = SESSION_SECONDS - 600
    assert keys.current().access_key_id == "ROLE2"
    assert sts.asked[0].parameters["WebIdentityToken"] != sts.asked[1].parameters["WebIdentityToken"]


def test_keys_that_are_still_valid_stay_in_use_while_sts_is_down(sts, client):
    now = [0.0]
    keys = RefreshedKeys(lambda: assume_role(client, ROLE, lambda: TOKEN), MAX_AGE, lambda: now[0])
    first = keys.current()
    sts.down = True
    now[0] = SESSION_SECONDS - 1
    assert keys.current() == first


# --- Whom AWS sees ----------------------------------------------------------------------------------------------------


def test_whom_aws_sees_is_asked_with_the_keys_in_use(monkeypatch):
    store = RefreshedKeys(lambda: AwsKeys("STOREDKEYID", "s"), 60)
    with moto() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
        client = connect_signed(store, "eu-west-1")
        signed = []
        client.meta.events.register("before-send.sts", lambda request, **_: signed.append(request.headers))
        assert caller(client).startswith("arn:aws:sts::")
        client.close()
    [headers] = signed
    assert b"Credential=STOREDKEYID/" in headers["Authorization"]


@pytest.mark.parametrize(("down", "said"), [(True, "AWS STS refuses the keys: "), (False, "AWS STS does not answer: ")])
def test_that_nobody_says_whom_aws_sees_is_an_error(sts, monkeypatch, down, said):
    sts.down = down
    if not down:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{closed.getsockname()[1]}")
    client = connect_signed(None, "eu-west-1")
    with pytest.raises(Transient, match=said) as failed:
        caller(client)
    assert failed.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    client.close()


@pytest.mark.parametrize("answer", ["", "no xml", "<GetCallerIdentityResponse/>", "<a>\x00</a>"])
def test_an_answer_that_is_none_of_sts_s_says_nobody(sts, monkeypatch, answer):
    monkeypatch.setattr(type(sts), "answer", lambda self, request: (200, answer))
    client = connect_signed(None, "eu-west-1")
    with pytest.raises(Transient, match="the answer is none of AWS STS's"):
        caller(client)
    client.close()


def test_without_a_region_whom_aws_sees_is_asked_where_s3_would_be(monkeypatch):
    client = connect_signed(None, None)
    assert client.meta.region_name == "us-east-1"
    client.close()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-north-1")
    client = connect_signed(None, None)
    assert client.meta.region_name == "eu-north-1"
    client.close()
