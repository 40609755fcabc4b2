"""The S3 adapter against answers that are written down byte for byte: a server here says exactly what a test scripts.

What an S3 that works does is in the contract suite.
"""

import base64
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.retries.standard import ExponentialBackoff
from botocore.stub import Stubber

from replicator.adapters.s3 import S3Source, connect
from replicator.errors import Permanent, ReplicationError, SourceMoved, Transient
from replicator.model import AwsKeys, Checksum, ContentHeaders, NotHeld, SourceKey, SourceObject
from replicator.reasons import Reason

KEY = SourceKey("source", "k")
MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MODIFIED_HEADER = "Fri, 02 Jan 2026 03:04:05 GMT"
MD5 = "5d41402abc4b2a76b9719d911017c592"
OLD_KEYS = AwsKeys("OLDKEYID", "old-secret")
NEW_KEYS = AwsKeys("NEWKEYID", "new-secret", "new-token")
RANDOM_TEXT = "the text of S3's error"


def pinned(**properties) -> SourceObject:
    """The state that a test's server is at, unless it says otherwise."""
    return replace(SourceObject(KEY, MD5, None, MODIFIED, size=5), **properties)


@dataclass(frozen=True)
class Answer:
    """One HTTP response. It is `cut` after so many bytes of the body: by a clean close, or a reset."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    length: int | None = None
    cut: str | None = None


def found(body: bytes = b"", *, length: int | None = None, cut: str | None = None, **headers: str) -> Answer:
    """The object, as S3 answers a GET (and a HEAD, without the body). Underscores in names stand for hyphens."""
    fields = {"ETag": f'"{MD5}"', "Last_Modified": MODIFIED_HEADER, **headers}
    return Answer(
        206 if "Content_Range" in fields else 200,
        {name.replace("_", "-"): value for name, value in fields.items() if value},
        body,
        length,
        cut,
    )


def error(status: int, code: str | None = None, text: str = RANDOM_TEXT) -> Answer:
    """As S3 answers an error; without a code it has no body, as for a HEAD."""
    body = f"<Error><Code>{code}</Code><Message>{text}</Message></Error>" if code else ""
    return Answer(status, {"Content-Type": "application/xml"}, body.encode())


@dataclass(frozen=True)
class Received:
    """A request, with the names of its headers in lower case."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]

    @property
    def access_key_id(self) -> str:
        return self.headers["authorization"].partition("Credential=")[2].partition("/")[0]


class ScriptedS3(ThreadingTCPServer):
    """Gives the answers in `script`, one for each request, and keeps the requests."""

    daemon_threads = True

    def __init__(self) -> None:
        self.script: list[Answer] = []
        self.requests: list[Received] = []
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        return "http://{}:{}".format(*self.server_address)


class _Connection(StreamRequestHandler):
    server: ScriptedS3

    def handle(self) -> None:
        while request := self._read():
            self.server.requests.append(request)
            answer = self.server.script.pop(0) if self.server.script else error(501, "NotInTheScript")
            length = len(answer.body) if answer.length is None else answer.length
            fields = {**answer.headers, "Content-Length": str(length)}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            body = b"" if request.method == "HEAD" else answer.body
            self.wfile.write(f"HTTP/1.1 {answer.status} Status\r\n{head}\r\n".encode() + body)
            self.wfile.flush()
            if answer.cut == "reset":
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if answer.cut:
                return

    def finish(self) -> None:
        super().finish()
        self.request.close()

    def _read(self) -> Received | None:
        try:
            line = self.rfile.readline().decode()
            if not line:
                return None
            headers = {}
            while field_line := self.rfile.readline().decode().strip():
                name, _, value = field_line.partition(":")
                headers[name.lower()] = value.strip()
        except OSError:
            return None
        method, target, _ = line.split(" ", 2)
        url = urlsplit(target)
        return Received(method, url.path, parse_qs(url.query, keep_blank_values=True), headers)


class Keys:
    """A `KeyStore` that has `keys`, and `next_keys` once it is asked to renew them."""

    def __init__(self, keys: AwsKeys, next_keys: AwsKeys) -> None:
        self.keys, self.next_keys = keys, next_keys
        self.rejected: list[AwsKeys] = []

    def current(self) -> AwsKeys:
        return self.keys

    def renew(self, rejected: AwsKeys) -> bool:
        self.rejected.append(rejected)
        self.keys = self.next_keys
        return self.keys != rejected


@pytest.fixture(autouse=True)
def _environment(monkeypatch, tmp_path):
    """Nothing of this machine's AWS configuration, and no waiting between the SDK's own retries."""
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENTKEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda self, context: 0)


@pytest.fixture(scope="module")
def scripted() -> Iterator[ScriptedS3]:
    with ScriptedS3() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def s3(scripted, monkeypatch) -> ScriptedS3:
    scripted.script.clear()
    scripted.requests.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", scripted.url)
    return scripted


@pytest.fixture
def connected(s3):
    """Makes sources with the keys given, and closes their clients in the end."""
    clients = []

    def make(keys=None, request_payer=False, tag_filtered=frozenset()) -> S3Source:
        client = connect(keys, "us-east-1", 4, request_payer)
        clients.append(client)
        return S3Source(client, keys, tag_filtered)

    yield make
    for client in clients:
        client.close()


@pytest.fixture(scope="module")
def environment_client(scripted):
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_S3", scripted.url)
        environment.setenv("AWS_ACCESS_KEY_ID", "ENVIRONMENTKEYID")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "environment-secret")
        environment.delenv("AWS_SESSION_TOKEN", raising=False)
        client = connect(None, "us-east-1", 4)
    yield client
    client.close()


@pytest.fixture
def source(s3, environment_client) -> S3Source:
    """A source whose keys come from the environment."""
    return S3Source(environment_client)


def read(side: S3Source, state: SourceObject, offset: int = 0, step: int = 1000) -> bytes:
    data = b""
    with side.open(state, offset) as body:
        while count := body.readinto(memoryview(buffer := bytearray(step))):
            data += buffer[:count]
    return data


# --- Errors -----------------------------------------------------------------------------------------------------------

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


def head_refused(status: int) -> list[Answer]:
    """After a 400 the SDK asks for the bucket's region, and learns nothing here."""
    return [error(status)] * (2 if status == 400 else 1)


OPERATIONS = {
    "open": ("get_object", lambda source: read(source, pinned())),
    "check": ("list_objects_v2", lambda source: source.check("source")),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("status", "code", "kind", "reason"), ERRORS)
def test_what_s3_answers_becomes_one_of_our_errors(stubbed, operation, status, code, kind, reason):
    method, call = OPERATIONS[operation]
    with Stubber(stubbed) as stub:
        stub.add_client_error(method, code, RANDOM_TEXT, status)
        with pytest.raises(kind) as raised:
            call(S3Source(stubbed))
    assert raised.value.reason is reason
    assert RANDOM_TEXT not in f"{raised.value!r} {raised.value.detail}"
    assert isinstance(raised.value.__cause__, ClientError)


@pytest.mark.parametrize(("status", "code", "kind", "reason"), ERRORS)
def test_a_stat_that_fails_says_why_although_the_answer_to_a_head_has_no_body(s3, source, status, code, kind, reason):
    # What the SDK expects to pass it tries three times, the HEAD as well as the GET.
    s3.script += [*head_refused(status), *[error(status)] * (2 if status >= 429 else 0), *[error(status, code)] * 3]
    with pytest.raises(kind) as raised:
        source.stat(KEY)
    assert raised.value.reason is reason
    assert RANDOM_TEXT not in f"{raised.value!r} {raised.value.detail}"


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


# --- The state --------------------------------------------------------------------------------------------------------


def stat(s3: ScriptedS3, source: S3Source, **headers: str) -> SourceObject:
    s3.script.append(found(length=5, **headers))
    return source.stat(KEY)


def test_the_state_is_what_the_head_says(s3, source):
    state = stat(
        s3,
        source,
        Content_Type="text/css",
        Content_Encoding="gzip",
        Content_Disposition="inline",
        Content_Language="de",
        Cache_Control="no-cache",
        x_amz_version_id="v1",
        x_amz_meta_colour="blue",
        x_amz_storage_class="STANDARD_IA",
    )
    assert state == SourceObject(
        KEY,
        etag=MD5,
        version_id="v1",
        last_modified=MODIFIED,
        size=5,
        headers=ContentHeaders("text/css", "gzip", "inline", "de", "no-cache"),
        metadata={"colour": "blue"},
        checksum=Checksum("MD5", bytes.fromhex(MD5)),
        md5=bytes.fromhex(MD5),
        storage_class="STANDARD_IA",
        archived=False,
    )


def test_user_metadata_is_decoded_and_its_names_are_in_lower_case(s3, source):
    state = stat(s3, source, x_amz_meta_plain="a=b", X_Amz_Meta_City="=?UTF-8?B?TcO8bmNoZW4=?=", x_amz_meta_raw="grün")
    assert state.metadata == {"plain": "a=b", "city": "München", "raw": "grün"}


def test_headers_in_utf_8_are_read_as_such(s3, source):
    assert stat(s3, source, Content_Disposition="filename=ü").headers.content_disposition == "filename=ü"


def test_the_coding_of_the_upload_is_not_the_object_s(s3, source):
    assert stat(s3, source, Content_Encoding="gzip,aws-chunked").headers.content_encoding == "gzip"


EXPIRES = ["Thu, 01 Dec 2050 16:00:00 GMT", "Thu, 01 Dec 1994 16:00:00 XYZ", "0", "-1", "never", "9" * 30]


@pytest.mark.parametrize("expires", EXPIRES)
def test_the_expiry_is_any_text_and_no_log_line(s3, source, expires, caplog):
    assert stat(s3, source, Expires=expires).expires == expires
    assert not caplog.records


def test_the_expiry_is_the_same_text_where_a_get_has_to_tell_it(s3, source, caplog):
    s3.script += [error(403), found(b"hello", Expires="never")]
    assert source.stat(KEY).expires == "never"
    assert not caplog.records


def test_a_website_redirect_is_read(s3, source):
    assert stat(s3, source, x_amz_website_redirect_location="/other").website_redirect == "/other"


@pytest.mark.parametrize(
    ("headers", "not_held"),
    [
        ({}, ()),
        ({"x_amz_missing_meta": "2"}, (NotHeld.USER_METADATA,)),
        ({"x_amz_object_lock_mode": "GOVERNANCE"}, (NotHeld.OBJECT_LOCK,)),
        ({"x_amz_object_lock_legal_hold": "ON"}, (NotHeld.OBJECT_LOCK,)),
        ({"x_amz_object_lock_legal_hold": "OFF"}, ()),
        ({"x_amz_object_lock_event_hold": "ON"}, (NotHeld.OBJECT_LOCK,)),
        ({"x_amz_object_lock_event_hold": "OFF"}, ()),
    ],
)
def test_what_s3_has_and_we_do_not_carry_is_named(s3, source, headers, not_held):
    assert stat(s3, source, **headers).not_held == not_held


def test_a_head_asks_for_checksums_and_names_the_key_as_it_is(s3, source):
    s3.script.append(found(length=5))
    source.stat(SourceKey("source", "a b/ü+%"))
    (request,) = s3.requests
    assert (request.method, request.path) == ("HEAD", "/source/a%20b/%C3%BC%2B%25")
    assert request.headers["x-amz-checksum-mode"] == "ENABLED"


def test_the_null_version_is_no_version(s3, source):
    assert stat(s3, source, x_amz_version_id="null").version_id is None


RESTORED = 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"'


@pytest.mark.parametrize(
    ("headers", "archived"),
    [
        ({}, False),
        ({"x_amz_storage_class": "STANDARD_IA"}, False),
        ({"x_amz_storage_class": "GLACIER_IR"}, False),
        ({"x_amz_storage_class": "INTELLIGENT_TIERING"}, False),
        ({"x_amz_storage_class": "GLACIER"}, True),
        ({"x_amz_storage_class": "DEEP_ARCHIVE"}, True),
        ({"x_amz_storage_class": "INTELLIGENT_TIERING", "x_amz_archive_status": "ARCHIVE_ACCESS"}, True),
        ({"x_amz_storage_class": "INTELLIGENT_TIERING", "x_amz_archive_status": "DEEP_ARCHIVE_ACCESS"}, True),
        ({"x_amz_storage_class": "GLACIER", "x_amz_restore": 'ongoing-request="true"'}, True),
        ({"x_amz_storage_class": "GLACIER", "x_amz_restore": RESTORED}, False),
        ({"x_amz_storage_class": "DEEP_ARCHIVE", "x_amz_restore": RESTORED}, False),
    ],
)
def test_archived_is_what_cannot_be_read_now(s3, source, headers, archived):
    assert stat(s3, source, **headers).archived is archived


CRC64 = base64.b64encode(b"12345678").decode()
CRC32C = base64.b64encode(b"1234").decode()
PARTS_ETAG = f'"{MD5}-3"'


@pytest.mark.parametrize(
    ("headers", "checksum"),
    [
        ({}, Checksum("MD5", bytes.fromhex(MD5))),
        ({"x_amz_server_side_encryption": "AES256"}, Checksum("MD5", bytes.fromhex(MD5))),
        ({"x_amz_server_side_encryption": "aws:kms"}, None),
        ({"x_amz_server_side_encryption": "aws:kms:dsse"}, None),
        ({"x_amz_server_side_encryption_customer_algorithm": "AES256"}, None),
        ({"ETag": PARTS_ETAG}, None),
        (
            {"x_amz_checksum_crc64nvme": CRC64, "x_amz_checksum_type": "FULL_OBJECT"},
            Checksum("CRC64NVME", b"12345678"),
        ),
        (
            {"x_amz_checksum_crc32c": CRC32C, "x_amz_server_side_encryption": "aws:kms"},
            Checksum("CRC32C", b"1234"),
        ),
        ({"x_amz_checksum_sha256": base64.b64encode(b"s" * 32).decode()}, Checksum("SHA256", b"s" * 32)),
        (
            {"ETag": PARTS_ETAG, "x_amz_checksum_crc64nvme": CRC64, "x_amz_checksum_type": "FULL_OBJECT"},
            Checksum("CRC64NVME", b"12345678"),
        ),
        (
            {"ETag": PARTS_ETAG, "x_amz_checksum_crc32c": f"{CRC32C}-3", "x_amz_checksum_type": "COMPOSITE"},
            None,
        ),
        # An S3 that does not say which type it is: over the parts where there are parts.
        ({"ETag": PARTS_ETAG, "x_amz_checksum_crc32c": CRC32C}, None),
        # S3 can compute more than we can.
        ({"x_amz_checksum_xxhash64": CRC64, "x_amz_server_side_encryption": "aws:kms"}, None),
    ],
)
def test_the_checksum_is_one_over_the_whole_object(s3, source, headers, checksum):
    assert stat(s3, source, **headers).checksum == checksum


# --- Tags -------------------------------------------------------------------------------------------------------------


def tagging(**tags: str) -> Answer:
    """The answer to GetObjectTagging."""
    entries = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in tags.items())
    return Answer(200, {}, f"<Tagging><TagSet>{entries}</TagSet></Tagging>".encode())


def test_an_object_without_tags_costs_one_request(s3, source):
    assert stat(s3, source).tags == {}
    assert len(s3.requests) == 1


def test_tags_are_read_where_there_are_any(s3, source):
    s3.script += [found(length=5, x_amz_tagging_count="2"), tagging(team="red", grün="")]
    assert source.stat(KEY).tags == {"team": "red", "grün": ""}
    _, request = s3.requests
    assert (request.method, request.path, request.query) == ("GET", "/source/k", {"tagging": [""]})


def test_the_tags_of_a_version_are_those_of_that_version(s3, source):
    s3.script += [found(length=5, x_amz_tagging_count="1", x_amz_version_id="v1"), tagging(team="red")]
    assert source.stat(KEY).tags == {"team": "red"}
    assert s3.requests[1].query == {"tagging": [""], "versionId": ["v1"]}


def test_the_null_version_is_not_asked_for_by_name(s3, source):
    s3.script += [found(length=5, x_amz_tagging_count="1", x_amz_version_id="null"), tagging(team="red")]
    source.stat(KEY)
    assert s3.requests[1].query == {"tagging": [""]}


def test_tags_are_read_where_a_get_has_to_tell_the_state(s3, source):
    s3.script += [error(403), found(b"hello", x_amz_tagging_count="1"), tagging(team="red")]
    assert source.stat(KEY).tags == {"team": "red"}


def test_tags_that_are_denied_are_named_as_missing(s3, source):
    s3.script += [found(length=5, x_amz_tagging_count="1", x_amz_missing_meta="1"), error(403, "AccessDenied")]
    state = source.stat(KEY)
    assert (state.tags, state.not_held) == ({}, (NotHeld.USER_METADATA, NotHeld.TAGS))


def test_a_bucket_whose_tags_are_filtered_is_asked_even_without_a_count(s3, connected):
    """S3 tells no number to somebody who may not read the tags, nor where there are none."""
    source = connected(tag_filtered={"source"})
    s3.script += [found(length=5), tagging()]
    assert source.stat(KEY).tags == {}
    s3.script += [found(length=5)]
    assert source.stat(SourceKey("other", "k")).tags == {}
    assert [request.path for request in s3.requests] == ["/source/k", "/source/k", "/other/k"]


@pytest.mark.parametrize(
    ("version", "permission"), [({}, "s3:GetObjectTagging"), ({"x_amz_version_id": "v1"}, "s3:GetObjectVersionTagging")]
)
def test_where_tags_are_filtered_denied_ones_are_an_error_that_names_the_permission(s3, connected, version, permission):
    s3.script += [found(length=5, **version), error(403, "AccessDenied")]
    with pytest.raises(Permanent) as denied:
        connected(tag_filtered={"source"}).stat(KEY)
    assert denied.value.reason is Reason.SOURCE_ACCESS_DENIED
    assert denied.value.detail == f"a rule filters by tags: {permission} is missing"


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_an_object_that_goes_while_its_tags_are_read_is_looked_at_again(s3, source, code):
    s3.script += [found(length=5, x_amz_tagging_count="1"), error(404, code)]
    with pytest.raises(Transient) as gone:
        source.stat(KEY)
    assert gone.value.reason is Reason.SOURCE_UNAVAILABLE


def test_credentials_that_are_rejected_are_not_tags_that_are_denied(s3, source):
    s3.script += [found(length=5, x_amz_tagging_count="1"), error(403, "InvalidAccessKeyId")]
    with pytest.raises(Transient) as rejected:
        source.stat(KEY)
    assert rejected.value.reason is Reason.SOURCE_CREDENTIALS_REJECTED


def test_tags_are_read_with_renewed_keys(s3, connected):
    s3.script += [found(length=5, x_amz_tagging_count="1"), error(403, "InvalidAccessKeyId"), tagging(team="red")]
    assert connected(Keys(OLD_KEYS, NEW_KEYS)).stat(KEY).tags == {"team": "red"}


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_reading_is_pinned_to_the_etag(s3, source):
    s3.script.append(found(b"hello"))
    assert read(source, pinned()) == b"hello"
    (request,) = s3.requests
    assert (request.method, request.path, request.headers["if-match"]) == ("GET", "/source/k", f'"{MD5}"')
    assert "versionId" not in request.query
    assert "range" not in request.headers


def test_reading_a_version_is_pinned_to_it(s3, source):
    s3.script.append(found(b"hello", x_amz_version_id="v1"))
    assert read(source, pinned(version_id="v1")) == b"hello"
    assert s3.requests[0].query["versionId"] == ["v1"]


def test_reading_on_is_pinned_too_and_asks_for_the_rest(s3, source):
    s3.script.append(found(b"llo", Content_Range="bytes 2-4/5"))
    assert read(source, pinned(), offset=2) == b"llo"
    (request,) = s3.requests
    assert (request.headers["if-match"], request.headers["range"]) == (f'"{MD5}"', "bytes=2-")


def test_the_null_version_in_an_answer_is_the_one_that_was_pinned(s3, source):
    s3.script.append(found(b"hello", x_amz_version_id="null"))
    assert read(source, pinned()) == b"hello"


@pytest.mark.parametrize("step", [1, 2, 5, 100])
def test_bytes_come_in_order_whatever_the_buffer(s3, source, step):
    s3.script.append(found(b"hello"))
    assert read(source, pinned(), step=step) == b"hello"


@pytest.mark.parametrize(
    "answer",
    [
        error(412, "PreconditionFailed"),
        error(404, "NoSuchKey"),
        error(404, "NoSuchVersion"),
        error(416, "InvalidRange"),
        found(b"hello", ETag='"another"'),
        found(b"hello", Last_Modified="Fri, 02 Jan 2026 03:04:06 GMT"),
        found(b"hello", x_amz_version_id="v2"),
    ],
)
def test_another_state_than_the_pinned_one_is_not_read(s3, source, answer):
    s3.script.append(answer)
    with pytest.raises(SourceMoved):
        read(source, pinned())


def test_a_pinned_version_is_not_replaced_by_the_object_without_one(s3, source):
    s3.script.append(found(b"hello"))
    with pytest.raises(SourceMoved):
        read(source, pinned(version_id="v1"))


def test_a_bucket_that_is_gone_is_not_a_source_that_moved(s3, source):
    s3.script.append(error(404, "NoSuchBucket"))
    with pytest.raises(Permanent) as gone:
        read(source, pinned())
    assert gone.value.reason is Reason.SOURCE_BUCKET_NOT_FOUND


@pytest.mark.parametrize("step", [1, 2, 5, 100])
@pytest.mark.parametrize("sent", [b"", b"he", b"hell"])
@pytest.mark.parametrize("cut", ["close", "reset"])
def test_a_body_that_ends_early_is_never_taken_for_the_whole(s3, source, step, sent, cut):
    s3.script.append(found(sent, length=5, cut=cut))
    with pytest.raises(Transient) as short:
        read(source, pinned(), step=step)
    assert short.value.reason in (Reason.SOURCE_TRUNCATED, Reason.SOURCE_UNAVAILABLE)


def test_a_body_that_ends_early_without_a_word_from_the_sdk_is_truncated(stubbed):
    answer = {"ETag": f'"{MD5}"', "LastModified": MODIFIED, "ContentLength": 5}
    with Stubber(stubbed) as stub:
        stub.add_response("get_object", {**answer, "Body": StreamingBody(BytesIO(b"he"), None)})
        with pytest.raises(Transient) as short:
            read(S3Source(stubbed), pinned())
    assert (short.value.reason, short.value.detail) == (Reason.SOURCE_TRUNCATED, "3 bytes are missing")


def test_what_came_before_a_break_has_been_given(s3, source):
    s3.script.append(found(b"hel", length=5, cut="close"))
    buffer = memoryview(bytearray(3))
    with source.open(pinned()) as body:
        assert body.readinto(buffer) == 3
        with pytest.raises(Transient):
            body.readinto(buffer)
    assert bytes(buffer) == b"hel"


@pytest.mark.parametrize("announced", [b"hell", b"hello!"])
def test_an_answer_of_another_length_is_refused_before_the_first_byte(s3, source, announced):
    s3.script.append(found(announced))
    with pytest.raises(Transient) as wrong, source.open(pinned()):
        raise AssertionError("it must not open")
    assert wrong.value.reason is Reason.SOURCE_TRUNCATED


def test_an_answer_that_ignores_the_range_is_refused(s3, source):
    s3.script.append(found(b"hello"))
    with pytest.raises(Transient):
        read(source, pinned(), offset=2)


def test_the_end_is_the_end_however_often_it_is_asked_for(s3, source):
    s3.script.append(found(b"hello"))
    buffer = memoryview(bytearray(10))
    with source.open(pinned()) as body:
        assert [body.readinto(buffer) for _ in range(3)] == [5, 0, 0]


def test_an_empty_object_has_no_bytes(s3, source):
    s3.script.append(found(b""))
    assert read(source, pinned(size=0)) == b""


# --- Credentials ------------------------------------------------------------------------------------------------------


def test_requests_are_signed_with_the_keys_of_the_store_not_with_the_environments(s3, connected):
    s3.script.append(found(length=5))
    connected(Keys(NEW_KEYS, NEW_KEYS)).stat(KEY)
    assert s3.requests[0].access_key_id == "NEWKEYID"
    assert s3.requests[0].headers["x-amz-security-token"] == "new-token"


def test_without_a_store_the_sdk_finds_credentials_itself(s3, source):
    s3.script.append(found(length=5))
    source.stat(KEY)
    assert s3.requests[0].access_key_id == "ENVIRONMENTKEYID"


def test_a_rotation_needs_no_new_client(s3, connected):
    keys = Keys(OLD_KEYS, NEW_KEYS)
    source = connected(keys)
    s3.script += [found(length=5), found(length=5)]
    source.stat(KEY)
    keys.keys = NEW_KEYS
    source.stat(KEY)
    assert [request.access_key_id for request in s3.requests] == ["OLDKEYID", "NEWKEYID"]


REJECTED = [(403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken"), (400, "InvalidToken")]


@pytest.mark.parametrize(("status", "code"), REJECTED)
def test_a_rejected_read_is_repeated_with_renewed_keys(s3, connected, status, code):
    keys = Keys(OLD_KEYS, NEW_KEYS)
    s3.script += [error(status, code), found(b"hello")]
    assert read(connected(keys), pinned()) == b"hello"
    assert [request.access_key_id for request in s3.requests] == ["OLDKEYID", "NEWKEYID"]
    assert keys.rejected == [OLD_KEYS]


@pytest.mark.parametrize(("status", "code"), REJECTED)
def test_a_rejected_stat_is_repeated_with_renewed_keys_although_a_head_does_not_say_why(s3, connected, status, code):
    s3.script += [*head_refused(status), error(status, code), found(b"hello")]
    assert connected(Keys(OLD_KEYS, NEW_KEYS)).stat(KEY).etag == MD5
    assert [request.access_key_id for request in s3.requests[-2:]] == ["OLDKEYID", "NEWKEYID"]


def test_keys_are_renewed_once_only(s3, connected):
    keys = Keys(OLD_KEYS, NEW_KEYS)
    s3.script += [error(403, "InvalidAccessKeyId")] * 2
    with pytest.raises(Transient) as rejected:
        connected(keys).check("source")
    assert rejected.value.reason is Reason.SOURCE_CREDENTIALS_REJECTED
    assert [request.access_key_id for request in s3.requests] == ["OLDKEYID", "NEWKEYID"]
    assert keys.rejected == [OLD_KEYS]


def test_without_other_keys_a_rejected_request_is_not_repeated(s3, connected):
    s3.script.append(error(403, "InvalidAccessKeyId"))
    with pytest.raises(Transient) as rejected:
        connected(Keys(OLD_KEYS, OLD_KEYS)).check("source")
    assert rejected.value.reason is Reason.SOURCE_CREDENTIALS_REJECTED
    assert len(s3.requests) == 1
    assert "old-secret" not in repr(rejected.value)


@pytest.mark.parametrize(("status", "code"), REJECTED)
def test_reading_on_is_repeated_with_renewed_keys_just_as_pinned(s3, connected, status, code):
    s3.script += [error(status, code), found(b"llo", Content_Range="bytes 2-4/5")]
    assert read(connected(Keys(OLD_KEYS, NEW_KEYS)), pinned(), offset=2) == b"llo"
    assert [request.access_key_id for request in s3.requests] == ["OLDKEYID", "NEWKEYID"]
    assert {(request.headers["range"], request.headers["if-match"]) for request in s3.requests} == {
        ("bytes=2-", f'"{MD5}"')
    }


def test_a_rejected_check_is_repeated_with_renewed_keys(s3, connected):
    s3.script += [error(403, "InvalidAccessKeyId"), Answer(200, {}, b"<ListBucketResult></ListBucketResult>")]
    connected(Keys(OLD_KEYS, NEW_KEYS)).check("source")
    assert [request.access_key_id for request in s3.requests] == ["OLDKEYID", "NEWKEYID"]


def test_access_that_is_denied_does_not_renew_keys(s3, connected):
    keys = Keys(OLD_KEYS, NEW_KEYS)
    s3.script.append(error(403, "AccessDenied"))
    with pytest.raises(Permanent):
        connected(keys).check("source")
    assert keys.rejected == []


def test_a_store_without_keys_says_so_itself(s3, connected):
    class Empty:
        def current(self):
            raise Transient(Reason.CREDENTIALS_UNAVAILABLE, "the store's own words")

        def renew(self, rejected):
            return False

    with pytest.raises(Transient) as empty:
        connected(Empty()).stat(KEY)
    assert (empty.value.reason, empty.value.detail) == (Reason.CREDENTIALS_UNAVAILABLE, "the store's own words")
    assert s3.requests == []


# --- Requester pays ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pays", [False, True])
def test_whoever_agrees_to_pay_says_so_with_every_request(s3, connected, pays):
    source = connected(request_payer=pays)
    s3.script += [
        found(length=5),
        *head_refused(403),
        found(b"hello"),
        found(b"llo", Content_Range="bytes 2-4/5"),
        Answer(200, {}, b"<ListBucketResult></ListBucketResult>"),
    ]
    source.stat(KEY)
    source.stat(KEY)
    read(source, pinned(), offset=2)
    source.check("source")
    assert [(request.method, request.headers.get("x-amz-request-payer")) for request in s3.requests] == [
        (method, "requester" if pays else None) for method in ("HEAD", "HEAD", "GET", "GET", "GET")
    ]


def test_a_request_that_takes_no_payer_is_left_as_it_is(s3, connected):
    s3.script.append(Answer(200))
    connected(request_payer=True)._client.head_bucket(Bucket="source")
    assert "x-amz-request-payer" not in s3.requests[0].headers
