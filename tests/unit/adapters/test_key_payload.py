"""AWS keys in a secret: which ways to write them down are understood, and what is never said of them."""

import json
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.adapters.key_payload import parse_keys
from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

KEYS = AwsKeys("AKIANEW", "new/secret+with=%(signs)s", "new-token")
VALUES = (KEYS.access_key_id, KEYS.secret_access_key, KEYS.session_token)
SPELLINGS = [
    ("AccessKeyId", "SecretAccessKey", "SessionToken"),
    ("accessKeyId", "secretAccessKey", "sessionToken"),
    ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"),
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ("access_key_id", "secret_access_key", "session_token"),
]
FIELDS = dict(zip(SPELLINGS[0], VALUES, strict=True))
SECRET = "do-not-show-this"


def in_json(document: object) -> bytes:
    return json.dumps(document).encode()


def profile(name: str, fields: dict[str, str]) -> str:
    return f"[{name}]\n" + "".join(f"{field} = {value}\n" for field, value in fields.items())


# --- Understood -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("names", SPELLINGS)
def test_json_may_spell_the_names_in_any_usual_way(names):
    assert parse_keys(in_json(dict(zip(names, VALUES, strict=True)))) == KEYS


@pytest.mark.parametrize("names", SPELLINGS)
def test_a_profile_may_spell_the_names_in_any_usual_way(names):
    assert parse_keys(profile("default", dict(zip(names, VALUES, strict=True))).encode()) == KEYS


@pytest.mark.parametrize(
    "document",
    [
        {"Version": 1, **FIELDS, "Expiration": "2030-01-01T00:00:00Z"},
        {"Credentials": {**FIELDS, "Expiration": "2030-01-01T00:00:00Z"}, "AssumedRoleUser": {"Arn": "arn:aws:sts::1"}},
        {"AccessKey": {"UserName": "replicator", "Status": "Active", **FIELDS}},
    ],
)
def test_keys_are_understood_as_the_aws_tools_print_them(document):
    assert parse_keys(in_json(document)) == KEYS


@pytest.mark.parametrize("name", ["default", "production", "profile production", "DEFAULT"])
def test_the_only_profile_may_have_any_name(name):
    assert parse_keys(profile(name, {**FIELDS, "region": "eu-west-1"}).encode()) == KEYS


def test_of_several_profiles_it_is_the_default_one():
    other = profile("other", {"aws_access_key_id": "AKIAOTHER", "aws_secret_access_key": "other"})
    assert parse_keys(f"# as aws configure writes it\n{other}\n{profile('default', FIELDS)}".encode()) == KEYS


def test_the_default_profile_lends_nothing_to_another():
    text = profile("default", {"aws_session_token": "t"}) + profile("other", FIELDS)
    with pytest.raises(Transient, match="lacks AccessKeyId"):
        parse_keys(text.encode())


@pytest.mark.parametrize("token", [None, ""])
def test_a_missing_session_token_is_none(token):
    assert parse_keys(in_json(FIELDS | {"SessionToken": token})).session_token is None


@pytest.mark.parametrize("before", ["", "\n ", "\ufeff"])
@pytest.mark.parametrize("after", ["", "\r\n", "\n\n"])
@pytest.mark.parametrize("text", [json.dumps(FIELDS), profile("default", FIELDS)])
def test_what_editors_add_around_it_does_no_harm(text, before, after):
    assert parse_keys(f"{before}{text}{after}".encode()) == KEYS


def test_the_same_value_under_two_names_is_one_value():
    assert parse_keys(in_json(FIELDS | {"aws_access_key_id": KEYS.access_key_id})) == KEYS


# --- Refused ----------------------------------------------------------------------------------------------------------

NEITHER = "is neither a JSON object nor an ini profile"
LACKS = "lacks AccessKeyId or SecretAccessKey"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (SECRET.encode(), NEITHER),
        (b'{"AccessKeyId": "do-not-show-this"', NEITHER),
        (f"AWS_ACCESS_KEY_ID={SECRET}\nAWS_SECRET_ACCESS_KEY={SECRET}".encode(), NEITHER),
        (b"\xff\xfe" + SECRET.encode(), "is not text"),
        (b"[" * 100_000, NEITHER),
        (b"null", NEITHER),
        (b"17", NEITHER),
        (json.dumps(SECRET).encode(), NEITHER),
        (in_json([SECRET]), LACKS),
        (b"{}", LACKS),
        (in_json({"Credentials": SECRET}), LACKS),
        (in_json({"Credentials": [SECRET]}), LACKS),
        (in_json({"AccessKeyId": SECRET}), LACKS),
        (in_json({"SecretAccessKey": SECRET}), LACKS),
        (in_json({"AccessKeyId": "", "SecretAccessKey": SECRET}), LACKS),
        (in_json({"AccessKeyId": SECRET, "SecretAccessKey": None}), LACKS),
        (in_json(FIELDS | {"AccessKeyId": 17}), "has something else than a key as AccessKeyId"),
        (in_json(FIELDS | {"SecretAccessKey": {"a": SECRET}}), "has something else than a key as SecretAccessKey"),
        (in_json(FIELDS | {"SecretAccessKey": f"{SECRET}\nX: y"}), "has something else than a key as SecretAccessKey"),
        (in_json(FIELDS | {"SessionToken": [SECRET]}), "has something else than a key as SessionToken"),
        (in_json(FIELDS | {"aws_access_key_id": SECRET}), "gives AccessKeyId twice"),
        (profile("default", {"aws_access_key_id": SECRET}).encode(), LACKS),
        (profile("a", FIELDS).encode() * 2, NEITHER),
        (f"[default]\n{SECRET}\n".encode(), NEITHER),
        (
            (profile("a", {"aws_access_key_id": SECRET}) + profile("b", FIELDS)).encode(),
            "has several profiles, and none is called default",
        ),
        (
            f"[default]\naws_access_key_id = A\n  aws_secret_access_key = {SECRET}\naws_secret_access_key = B".encode(),
            "has something else than a key as AccessKeyId",
        ),
    ],
)
def test_an_unusable_payload_is_an_error_that_says_why_and_nothing_of_what_is_there(data, problem):
    with pytest.raises(Transient) as unusable:
        parse_keys(data)
    assert unusable.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert unusable.value.detail == f"the secret {problem}"
    assert_says_nothing_of(SECRET, unusable.value)


def assert_says_nothing_of(secret: str, error: Transient) -> None:
    printed = f"{error!r} {error} {error.args} {error.detail} {''.join(traceback.format_exception(error, chain=True))}"
    assert secret not in printed
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


NAMES = [name for spelling in SPELLINGS for name in spelling]
LINES = st.one_of(
    st.just("[default]"),
    st.text(max_size=10).map(lambda name: f"[{name}]"),
    st.tuples(st.sampled_from(NAMES), st.text(max_size=10)).map(lambda pair: f"{pair[0]} = {pair[1]}{SECRET}"),
    st.text(max_size=20),
)
DOCUMENTS = st.dictionaries(
    st.sampled_from([*NAMES, "Credentials", "AccessKey"]),
    st.recursive(
        st.one_of(st.none(), st.integers(), st.text().map(lambda text: text + SECRET)),
        lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(NAMES), inner)),
        max_leaves=5,
    ),
)


@given(
    st.one_of(
        st.binary(),
        st.lists(LINES).map(lambda lines: "\n".join(lines).encode("utf-8", "replace")),
        DOCUMENTS.map(in_json),
    )
)
def test_any_payload_is_keys_or_an_error_without_its_values(data):
    try:
        keys = parse_keys(data)
    except Transient as error:
        assert error.reason is Reason.CREDENTIALS_UNAVAILABLE
        assert_says_nothing_of(SECRET, error)
    else:
        for value in (keys.access_key_id, keys.secret_access_key, keys.session_token or "x"):
            assert value.isascii()
            assert value.isprintable()
            assert " " not in value


def test_printed_keys_show_the_id_only():
    assert repr(KEYS) == "AwsKeys(access_key_id='AKIANEW')"
