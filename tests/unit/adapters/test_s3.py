"""The S3 adapter against answers that are written down byte for byte: a server here says exactly what a test scripts.

What an S3 that works does is in the contract suite.
"""

import base64
import gzip

import pytest

from replicator.adapters.s3 import S3Source
from replicator.errors import Permanent, SourceMoved, Transient
from replicator.model import Checksum, ContentHeaders, NotHeld, SourceKey, SourceObject
from replicator.reasons import Reason
from tests.scripted_s3 import (
    KEY,
    MD5,
    MODIFIED,
    NEW_KEYS,
    OLD_KEYS,
    Answer,
    Keys,
    ScriptedS3,
    error,
    found,
    head_refused,
    pinned,
    read,
)

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
    state = stat(s3, source, **headers)
    assert state.checksum == checksum
    assert not (state.checksum and state.parts_checksum)


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


@pytest.mark.parametrize("body", [b"", b"<html>a page in between</html>", b"<Tagging></Tagging>", b"<Tagging><Tag"])
def test_tags_that_cannot_be_read_are_not_taken_for_none(s3, source, body):
    s3.script += [found(length=5, x_amz_tagging_count="1"), *[Answer(200, {"Content-Type": "text/xml"}, body)] * 3]
    with pytest.raises(Transient) as unreadable:
        source.stat(KEY)
    assert unreadable.value.reason is Reason.SOURCE_UNAVAILABLE


def test_tags_are_read_with_renewed_keys(s3, connected):
    s3.script += [found(length=5, x_amz_tagging_count="1"), error(403, "InvalidAccessKeyId"), tagging(team="red")]
    assert connected(Keys(OLD_KEYS, NEW_KEYS)).stat(KEY).tags == {"team": "red"}


NOT_S3 = [{"ETag": ""}, {"Last_Modified": ""}]
"""Heads that are none of S3's, as of something in between."""


@pytest.mark.parametrize(
    "head",
    [*NOT_S3, {"Last_Modified": "yesterday"}, {"x_amz_tagging_count": "many"}, {"x_amz_missing_meta": "some"}],
)
def test_an_answer_that_is_none_of_s3s_is_no_state(s3, source, head):
    s3.script.append(found(length=5, **head))
    with pytest.raises(Transient) as unreadable:
        source.stat(KEY)
    assert unreadable.value.reason is Reason.SOURCE_UNAVAILABLE


def _read_first(source: S3Source) -> None:
    with source.read(KEY):
        pass


@pytest.mark.parametrize("head", NOT_S3)
@pytest.mark.parametrize("ask", [_read_first, lambda source: read(source, pinned())], ids=["read", "open"])
def test_an_answer_that_is_none_of_s3s_is_not_read(s3, source, ask, head):
    """Nor is it another state: looking again would not help."""
    s3.script.append(found(b"hello", **head))
    with pytest.raises(Transient) as unreadable:
        ask(source)
    assert unreadable.value.reason is Reason.SOURCE_UNAVAILABLE


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


@pytest.mark.parametrize(
    ("offset", "length", "asked", "given"),
    [
        (2, None, "2-4", b"llo"),
        (2, 3, "2-4", b"llo"),
        (0, 1, "0-0", b"h"),
        (1, 2, "1-2", b"el"),
        (4, 1, "4-4", b"o"),
        (4, None, "4-4", b"o"),
    ],
)
def test_reading_a_range_is_pinned_too_and_asks_for_exactly_that(s3, source, offset, length, asked, given):
    s3.script.append(found(given, Content_Range=f"bytes {asked}/5"))
    assert read(source, pinned(), offset, length) == given
    (request,) = s3.requests
    assert (request.headers["if-match"], request.headers["range"]) == (f'"{MD5}"', f"bytes={asked}")


def test_all_of_an_object_is_asked_for_without_a_range(s3, source):
    s3.script.append(found(b"hello"))
    assert read(source, pinned(), 0, 5) == b"hello"
    assert "range" not in s3.requests[0].headers


@pytest.mark.parametrize(
    "answer",
    [
        found(b"el", Content_Range="bytes 1-2/5"),
        found(b"llo", Content_Range="bytes 2-4/5"),
        found(b"lo", Content_Range="bytes 3-4/5"),
        found(b"ll", Content_Range="bytes 2-3/6"),
        found(b"ll"),
        found(b"hello"),
    ],
)
def test_another_range_than_the_one_asked_for_is_refused_before_the_first_byte(s3, source, answer):
    s3.script.append(answer)
    with pytest.raises(Transient) as wrong, source.open(pinned(), 2, 2):
        raise AssertionError("it must not open")
    assert wrong.value.reason is Reason.SOURCE_TRUNCATED


@pytest.mark.parametrize("cut", ["close", "reset"])
def test_a_range_that_ends_early_is_never_taken_for_the_whole(s3, source, cut):
    s3.script.append(found(b"e", Content_Range="bytes 1-3/5", length=3, cut=cut))
    with pytest.raises(Transient):
        read(source, pinned(), 1, 3)


def test_content_is_never_decoded(s3, source):
    packed = gzip.compress(b"hello")
    s3.script.append(found(packed, Content_Encoding="gzip"))
    assert read(source, pinned(size=len(packed))) == packed


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


def test_the_end_is_the_end_however_often_it_is_asked_for(s3, source):
    s3.script.append(found(b"hello"))
    buffer = memoryview(bytearray(10))
    with source.open(pinned()) as body:
        assert [body.readinto(buffer) for _ in range(3)] == [5, 0, 0]


def test_an_empty_object_has_no_bytes(s3, source):
    s3.script.append(found(b""))
    assert read(source, pinned(size=0)) == b""


# --- State and bytes in one request -----------------------------------------------------------------------------------


def read_now(source: S3Source) -> tuple[SourceObject, bytes] | None:
    with source.read(KEY) as answered:
        if answered is None:
            return None
        state, body = answered
        data = bytearray(state.size + 1)
        filled = 0
        while count := body.readinto(memoryview(data)[filled:]):
            filled += count
    return state, bytes(data[:filled])


STATES = [
    {},
    {"x_amz_version_id": "v1"},
    {"x_amz_version_id": "null"},
    {"Content_Type": "text/css", "Content_Encoding": "gzip, aws-chunked", "Cache_Control": "no-cache"},
    {"Content_Disposition": "filename=ü", "Content_Language": "de", "Expires": "never"},
    {"Expires": "Thu, 01 Dec 2050 16:00:00 GMT", "x_amz_website_redirect_location": "/other"},
    {"x_amz_meta_plain": "a=b", "X_Amz_Meta_City": "=?UTF-8?B?TcO8bmNoZW4=?=", "x_amz_missing_meta": "1"},
    {"x_amz_server_side_encryption": "aws:kms", "x_amz_server_side_encryption_aws_kms_key_id": "k"},
    {"x_amz_server_side_encryption": "aws:kms", "x_amz_checksum_sha256": base64.b64encode(b"s" * 32).decode()},
    {"ETag": PARTS_ETAG},
    {"ETag": PARTS_ETAG, "x_amz_server_side_encryption": "aws:kms"},
    {"ETag": PARTS_ETAG, "x_amz_checksum_crc64nvme": CRC64, "x_amz_checksum_type": "FULL_OBJECT"},
    {"ETag": PARTS_ETAG, "x_amz_checksum_crc32c": f"{CRC32C}-3", "x_amz_checksum_type": "COMPOSITE"},
    {"x_amz_storage_class": "GLACIER", "x_amz_restore": RESTORED},
    {"x_amz_object_lock_mode": "GOVERNANCE", "x_amz_object_lock_legal_hold": "ON"},
    {"x_amz_tagging_count": "1"},
    {"x_amz_tagging_count": "1", "x_amz_version_id": "v1"},
]


@pytest.mark.parametrize("headers", STATES)
def test_the_state_is_the_same_whoever_asks_and_however(s3, first_source, headers):
    tags = [tagging(team="red")] if "x_amz_tagging_count" in headers else []
    answers = [found(b"hello", **headers), *tags]
    s3.script += answers * 2
    by_sdk, lean = first_source.stat(KEY), first_source.stat(KEY)
    assert by_sdk == lean
    s3.script += answers
    assert read_now(first_source) == (by_sdk, b"hello")
    s3.script += answers
    unlearnt = S3Source(first_source._client)
    assert read_now(unlearnt) == (by_sdk, b"hello")
    assert [request.is_lean for request in s3.requests if not request.query.keys() & {"tagging"}] == [
        False,
        True,
        True,
        False,
    ]


def test_state_and_bytes_cost_one_request_without_any_condition(s3, source):
    s3.script.append(found(b"hello"))
    assert read_now(source) == (pinned(checksum=Checksum("MD5", bytes.fromhex(MD5)), md5=bytes.fromhex(MD5)), b"hello")
    (request,) = s3.requests
    assert (request.method, request.path, request.query) == ("GET", "/source/k", {})
    assert request.headers["x-amz-checksum-mode"] == "ENABLED"
    assert not request.headers.keys() & {"if-match", "range"}


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_there_is_nothing_to_read_of_an_absent_object(s3, source, code):
    s3.script.append(error(404, code))
    assert read_now(source) is None


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (404, "NoSuchBucket", Reason.SOURCE_BUCKET_NOT_FOUND),
        (403, "AccessDenied", Reason.SOURCE_ACCESS_DENIED),
        (400, "KMS.DisabledException", Reason.SOURCE_KMS_DENIED),
    ],
)
def test_reading_fails_as_looking_does(s3, source, status, code, reason):
    s3.script.append(error(status, code))
    with pytest.raises(Permanent) as failed:
        read_now(source)
    assert failed.value.reason is reason


def test_reading_is_repeated_with_renewed_keys(s3, connected):
    s3.script += [error(403, "InvalidAccessKeyId"), found(b"hello")]
    state, data = read_now(connected(Keys(OLD_KEYS, NEW_KEYS)))
    assert (state.etag, data) == (MD5, b"hello")
    assert [request.access_key_id for request in s3.requests] == ["OLDKEYID", "NEWKEYID"]


def test_an_archived_object_has_a_state_and_no_bytes(s3, source):
    archived = found(length=5, x_amz_storage_class="GLACIER")
    s3.script += [error(403, "InvalidObjectState"), archived, archived]
    with source.read(KEY) as (state, body):
        assert state.archived
        assert state == source.stat(KEY)
        with pytest.raises(Permanent) as unreadable:
            body.readinto(memoryview(bytearray(1)))
    assert unreadable.value.reason is Reason.SOURCE_ARCHIVED


def test_an_archived_object_that_goes_meanwhile_is_absent(s3, source):
    s3.script += [error(403, "InvalidObjectState"), error(404), error(404, "NoSuchKey")]
    assert read_now(source) is None


def test_where_tags_are_filtered_reading_asks_for_them_too(s3, connected):
    s3.script += [found(b"hello"), tagging(team="red")]
    state, data = read_now(connected(tag_filtered={"source"}))
    assert (state.tags, data) == ({"team": "red"}, b"hello")


def test_reading_fails_where_tags_that_are_filtered_are_denied(s3, connected):
    s3.script += [found(b"hello"), error(403, "AccessDenied")]
    with pytest.raises(Permanent) as denied:
        read_now(connected(tag_filtered={"source"}))
    assert denied.value.reason is Reason.SOURCE_ACCESS_DENIED


@pytest.mark.parametrize("cut", ["close", "reset"])
def test_bytes_read_with_their_state_are_counted_too(s3, source, cut):
    s3.script.append(found(b"he", length=5, cut=cut))
    with pytest.raises(Transient):
        read_now(source)


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
        ("bytes=2-4", f'"{MD5}"')
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
