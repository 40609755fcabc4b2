"""What S3 answers in place of an object, and what becomes of it when the SDK made the request."""

import socket

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from replicator.adapters.s3 import S3Source, connect
from replicator.errors import Permanent, ReplicationError, Transient
from replicator.reasons import Reason
from tests.scripted_s3 import (
    ERROR_TEXT,
    KEY,
    MD5,
    OLD_KEYS,
    Answer,
    Keys,
    error,
    found,
    head_refused,
    pinned,
    read,
)


@pytest.fixture
def source(first_source) -> S3Source:
    return first_source


ERRORS = [
    (404, "NoSuchBucket", Permanent, Reason.SOURCE_BUCKET_NOT_FOUND),
    (403, "AccessDenied", Permanent, Reason.SOURCE_ACCESS_DENIED),
    (403, "AllAccessDisabled", Permanent, Reason.SOURCE_ACCESS_DENIED),
    (403, "InvalidObjectState", Permanent, Reason.SOURCE_ARCHIVED),
    (503, "SlowDown", Transient, Reason.SOURCE_UNAVAILABLE),
    (503, "ServiceUnavailable", Transient, Reason.SOURCE_UNAVAILABLE),
    (500, "InternalError", Transient, Reason.SOURCE_UNAVAILABLE),
    (502, "BadGateway", Transient, Reason.SOURCE_UNAVAILABLE),
    (429, "TooManyRequests", Transient, Reason.SOURCE_UNAVAILABLE),
    (400, "RequestTimeout", Transient, Reason.SOURCE_UNAVAILABLE),
    (403, "RequestTimeTooSkewed", Transient, Reason.SOURCE_UNAVAILABLE),
    (400, "InvalidRequest", Permanent, Reason.SOURCE_REFUSED),
    (400, "KMS.DisabledException", Permanent, Reason.SOURCE_KMS_DENIED),
    (400, "KMS.NotFoundException", Permanent, Reason.SOURCE_KMS_DENIED),
    (400, "KMS.KMSInvalidStateException", Permanent, Reason.SOURCE_KMS_DENIED),
    (400, "KMS.AccessDeniedException", Permanent, Reason.SOURCE_KMS_DENIED),
    (400, "KMS.ThrottlingException", Transient, Reason.SOURCE_UNAVAILABLE),
    (400, "KMS.DependencyTimeoutException", Transient, Reason.SOURCE_UNAVAILABLE),
    (400, "KMS.KeyUnavailableException", Transient, Reason.SOURCE_UNAVAILABLE),
    (400, "KMS.KMSInternalException", Transient, Reason.SOURCE_UNAVAILABLE),
    (405, "MethodNotAllowed", Permanent, Reason.SOURCE_REFUSED),
    (403, "InvalidAccessKeyId", Transient, Reason.SOURCE_CREDENTIALS_REJECTED),
    (403, "SignatureDoesNotMatch", Transient, Reason.SOURCE_CREDENTIALS_REJECTED),
    (400, "ExpiredToken", Transient, Reason.SOURCE_CREDENTIALS_REJECTED),
    (400, "InvalidToken", Transient, Reason.SOURCE_CREDENTIALS_REJECTED),
    (400, "TokenRefreshRequired", Transient, Reason.SOURCE_CREDENTIALS_REJECTED),
]


@pytest.fixture(scope="module")
def stubbed():
    """A real client that a stub answers for. It never signs nor sends."""
    client = connect(Keys(OLD_KEYS, OLD_KEYS), "us-east-1", 1)
    yield client
    client.close()


OPERATIONS = {
    "open": ("get_object", lambda source: read(source, pinned())),
    "check": ("list_objects_v2", lambda source: source.check("source")),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("status", "code", "kind", "reason"), ERRORS)
def test_what_s3_answers_becomes_one_of_our_errors(stubbed, operation, status, code, kind, reason):
    method, call = OPERATIONS[operation]
    with Stubber(stubbed) as stub:
        stub.add_client_error(method, code, ERROR_TEXT, status)
        with pytest.raises(kind) as raised:
            call(S3Source(stubbed))
    assert raised.value.reason is reason
    assert ERROR_TEXT not in f"{raised.value!r} {raised.value.detail}"
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize(("status", "code", "kind", "reason"), ERRORS)
def test_a_stat_that_fails_says_why_although_the_answer_to_a_head_has_no_body(s3, source, status, code, kind, reason):
    # What the SDK expects to pass it tries three times, the HEAD as well as the GET.
    s3.script += [*head_refused(status), *[error(status)] * (2 if status >= 429 else 0), *[error(status, code)] * 3]
    with pytest.raises(kind) as raised:
        source.stat(KEY)
    assert raised.value.reason is reason
    assert ERROR_TEXT not in f"{raised.value!r} {raised.value.detail}"


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_head_refused_is_cleared_up_by_a_get(s3, source, status):
    s3.script += [*head_refused(status), found(b"hello")]
    assert source.stat(KEY).etag == MD5
    assert [(request.method, request.path) for request in (s3.requests[0], s3.requests[-1])] == [
        ("HEAD", "/source/k"),
        ("GET", "/source/k"),
    ]


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_only_a_get_that_finds_no_key_makes_an_object_absent(s3, source, code):
    s3.script += [error(404), error(404, code)]
    assert source.stat(KEY) is None


def test_a_404_without_any_explanation_is_not_taken_for_an_absent_object(s3, source):
    s3.script += [error(404), error(404)]
    with pytest.raises(ReplicationError):
        source.stat(KEY)


def test_a_server_that_is_down_is_transient(source, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://{}:{}".format(*unused.getsockname()))
        client = connect(None, "us-east-1", 1)
        with pytest.raises(Transient) as down:
            S3Source(client).stat(KEY)
        client.close()
    assert down.value.reason is Reason.SOURCE_UNAVAILABLE


def test_a_connection_reset_before_the_answer_is_repeated_by_the_sdk_and_then_transient(s3, source):
    s3.script += [Answer(cut="reset", length=5)] * 3
    with pytest.raises(Transient) as broken:
        source.check("source")
    assert broken.value.reason is Reason.SOURCE_UNAVAILABLE


def test_the_sdk_tries_a_request_three_times(s3, source):
    s3.script += [error(503, "SlowDown"), error(503, "SlowDown"), found()]
    assert source.stat(KEY) is not None
    assert len(s3.requests) == 3


def test_without_any_credentials_the_error_names_them(s3, connected, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Transient) as none:
        connected().stat(KEY)
    assert none.value.reason is Reason.CREDENTIALS_UNAVAILABLE
    assert s3.requests == []


def test_a_check_lists_one_key_of_the_bucket(s3, source):
    s3.script += [Answer(200, {}, b"<ListBucketResult></ListBucketResult>")]
    source.check("source")
    (request,) = s3.requests
    assert (request.method, request.path, request.query["max-keys"]) == ("GET", "/source", ["1"])


def test_a_check_answered_with_garbage_is_transient(s3, source):
    s3.script += [Answer(200, {}, b"<html>not S3")] * 3
    with pytest.raises(Transient) as garbage:
        source.check("source")
    assert garbage.value.reason is Reason.SOURCE_UNAVAILABLE


USER = "User: arn:aws:iam::111122223333:user/replicator is not authorized to perform:"
KMS_TEXTS = [
    f"{USER} kms:Decrypt on resource: arn:aws:kms:eu-west-1:111122223333:key/1 because no identity-based policy allows "
    "the kms:Decrypt action",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access.",
]
OTHER_TEXTS = [
    "Access Denied",
    f'{USER} s3:GetObject on resource: "arn:aws:s3:::source/kms:Decrypt" because no identity-based policy allows it',
]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, Reason.SOURCE_KMS_DENIED) for text in KMS_TEXTS),
        *((text, Reason.SOURCE_ACCESS_DENIED) for text in OTHER_TEXTS),
    ],
)
@pytest.mark.parametrize("operation", ["stat", "open"])
def test_a_kms_key_that_denies_is_told_apart_by_s3s_words_which_are_not_repeated(s3, source, operation, text, reason):
    s3.script += [*([error(403)] if operation == "stat" else []), error(403, "AccessDenied", text)]
    with pytest.raises(Permanent) as denied:
        source.stat(KEY) if operation == "stat" else read(source, pinned())
    assert denied.value.reason is reason
    assert "arn:" not in f"{denied.value!r} {denied.value.detail}"
