"""Checksums of multipart uploads, from S3's answers about their parts."""

import base64
import hashlib
import os
import zlib
from dataclasses import replace

import pytest
from awscrt import checksums as crt

from replicator.errors import Permanent, SourceMoved, Transient
from replicator.model import Checksum, CompositeChecksum
from replicator.reasons import Reason
from tests.scripted_s3 import (
    KEY,
    MD5,
    MODIFIED_HEADER,
    NEW_KEYS,
    OLD_KEYS,
    Answer,
    Keys,
    ScriptedS3,
    error,
    found,
    head_refused,
)

FUNCTIONS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4),
    "CRC32C": lambda data: crt.crc32c(data).to_bytes(4),
    "CRC64NVME": lambda data: crt.crc64nvme(data).to_bytes(8),
    "SHA1": lambda data: hashlib.sha1(data, usedforsecurity=False).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def pieces(*sizes: int) -> list[bytes]:
    return [os.urandom(size) for size in sizes]


def uploaded(parts: list[bytes], algorithm: str | None, **headers: str) -> Answer:
    """The HEAD of an object that was uploaded in these parts."""
    if algorithm:
        joined = b"".join(map(FUNCTIONS[algorithm], parts))
        value = base64.b64encode(FUNCTIONS[algorithm](joined)).decode()
        name = f"x_amz_checksum_{algorithm.lower()}"
        headers = {name: f"{value}-{len(parts)}", "x_amz_checksum_type": "COMPOSITE", **headers}
    size = sum(map(len, parts))
    return found(length=size, ETag=f'"{MD5}-{len(parts)}"', **headers)


def attributes(
    parts: list[bytes],
    algorithm: str,
    *,
    first: int = 1,
    total: int | None = None,
    etag: str | None = None,
    modified: str = MODIFIED_HEADER,
) -> Answer:
    """The answer to GetObjectAttributes with these parts, of which there may be more."""
    count = total or len(parts)
    last = first - 1 + len(parts)
    listed = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>{len(part)}</Size><Checksum{algorithm}>"
        f"{base64.b64encode(FUNCTIONS[algorithm](part)).decode()}</Checksum{algorithm}></Part>"
        for number, part in enumerate(parts, first)
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<GetObjectAttributesResponse xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<ETag>{etag or f'{MD5}-{count}'}</ETag><ObjectParts><IsTruncated>{str(last < count).lower()}</IsTruncated>"
        f"<MaxParts>1000</MaxParts><NextPartNumberMarker>{last}</NextPartNumberMarker>"
        f"<PartNumberMarker>{first - 1}</PartNumberMarker><PartsCount>{count}</PartsCount>{listed}</ObjectParts>"
        "</GetObjectAttributesResponse>"
    )
    return Answer(200, {"Last-Modified": modified, "Content-Type": "application/xml"}, body.encode())


def without_parts(count: int) -> Answer:
    """GetObjectAttributes of an upload without checksums of its own: S3 counts the parts, and lists none."""
    answer = attributes([], "CRC32", total=count)
    return replace(answer, body=answer.body.replace(b"<IsTruncated>true<", b"<IsTruncated>false<"))


def part(size: int, count: int, **headers: str) -> Answer:
    """The answer to a HEAD of one part."""
    fields = {"ETag": f'"{MD5}-{count}"', "Content_Range": f"bytes 0-{size - 1}/*", "x_amz_mp_parts_count": str(count)}
    return found(length=size, **(fields | headers))


def stat(s3: ScriptedS3, source, head: Answer):
    s3.script.append(head)
    state = source.stat(KEY)
    s3.requests.clear()
    return state


@pytest.mark.parametrize("algorithm", ["CRC32", "CRC32C", "CRC64NVME"])
@pytest.mark.parametrize("sizes", [(1000, 1000, 10), (1000, 1, 500), (7,), (1, 2, 3, 4)])
def test_the_crcs_of_parts_of_any_size_make_that_of_the_object(s3, source, algorithm, sizes):
    parts = pieces(*sizes)
    state = stat(s3, source, uploaded(parts, algorithm))
    s3.script.append(attributes(parts, algorithm))
    assert source.checksum(state) == Checksum(algorithm, FUNCTIONS[algorithm](b"".join(parts)))
    (request,) = s3.requests
    assert (request.method, request.path, request.query) == ("GET", "/source/k", {"attributes": [""]})
    assert request.headers["x-amz-object-attributes"] == "ETag,ObjectParts"


def test_parts_are_asked_for_page_by_page(s3, source):
    parts = pieces(5, 6, 7)
    state = stat(s3, source, uploaded(parts, "CRC32C", x_amz_version_id="v1"))
    s3.script += [
        attributes(parts[:2], "CRC32C", total=3),
        attributes(parts[2:], "CRC32C", first=3, total=3),
    ]
    assert source.checksum(state) == Checksum("CRC32C", FUNCTIONS["CRC32C"](b"".join(parts)))
    assert [request.headers["x-amz-part-number-marker"] for request in s3.requests] == ["0", "2"]
    assert [request.query["versionId"] for request in s3.requests] == [["v1"], ["v1"]]


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256"])
@pytest.mark.parametrize(
    ("sizes", "part_size"), [((100, 100, 10), 100), ((100, 100), 100), ((100, 99, 100), None), ((10, 10, 11), None)]
)
def test_digests_of_parts_are_good_for_parts_of_one_size(s3, source, algorithm, sizes, part_size):
    parts = pieces(*sizes)
    state = stat(s3, source, uploaded(parts, algorithm))
    s3.script.append(attributes(parts, algorithm))
    digest = FUNCTIONS[algorithm](b"".join(map(FUNCTIONS[algorithm], parts)))
    expected = CompositeChecksum(algorithm, digest, part_size) if part_size else None
    assert source.checksum(state) == expected
    assert len(s3.requests) == 1


@pytest.mark.parametrize(
    ("sizes", "part_size"),
    [((100, 100, 10), 100), ((100, 100), 100), ((100, 90), 100), ((90, 100), None), ((100, 99, 100), None)],
)
@pytest.mark.parametrize("version", [None, "v1"])
def test_without_checksums_of_its_own_an_upload_s_etag_is_good_for_parts_of_one_size(
    s3, source, sizes, part_size, version
):
    headers = {"x_amz_version_id": version} if version else {}
    state = stat(s3, source, uploaded(pieces(*sizes), None, **headers))
    s3.script += [part(sizes[0], len(sizes), **headers), part(sizes[-1], len(sizes), **headers)]
    expected = CompositeChecksum("MD5", bytes.fromhex(MD5), part_size) if part_size else None
    assert source.checksum(state) == expected
    wanted = {"versionId": [version]} if version else {}
    assert [(request.method, request.query) for request in s3.requests] == [
        ("HEAD", {"partNumber": [str(number)], **wanted}) for number in (1, len(sizes))
    ]
    assert {request.headers["if-match"] for request in s3.requests} == {f'"{state.etag}"'}


@pytest.mark.parametrize("algorithm", [None, "SHA256"])
def test_the_size_of_a_single_part_is_no_question(s3, source, algorithm):
    parts = pieces(50)
    state = stat(s3, source, uploaded(parts, algorithm))
    assert source.checksum(state) == CompositeChecksum(algorithm or "MD5", state.parts_checksum.digest, 50)
    assert s3.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x_amz_server_side_encryption": "aws:kms"},
        {"x_amz_server_side_encryption": "aws:kms:dsse"},
        {"x_amz_server_side_encryption_customer_algorithm": "AES256"},
    ],
)
def test_an_etag_that_is_made_of_no_md5s_says_nothing(s3, source, headers):
    state = stat(s3, source, uploaded(pieces(10, 10), None, **headers))
    assert source.checksum(state) is None
    assert s3.requests == []


def test_an_upload_encrypted_by_s3_has_an_etag_of_md5s(s3, source):
    state = stat(s3, source, uploaded(pieces(10), None, x_amz_server_side_encryption="AES256"))
    assert source.checksum(state) == CompositeChecksum("MD5", bytes.fromhex(MD5), 10)


def test_a_checksum_over_the_whole_object_costs_no_request(s3, source):
    state = stat(s3, source, found(length=5))
    assert source.checksum(state) == Checksum("MD5", bytes.fromhex(MD5))
    assert s3.requests == []


def test_an_empty_upload_has_nothing_to_check(s3, source):
    assert source.checksum(stat(s3, source, uploaded(pieces(0), None))) is None


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "AccessDenied"), (501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "InvalidArgument")],
)
@pytest.mark.parametrize("algorithm", ["CRC32C", "SHA256"])
def test_where_attributes_are_refused_the_first_and_the_last_part_are_asked_for(s3, source, algorithm, status, code):
    state = stat(s3, source, uploaded(pieces(10, 10, 3), algorithm))
    s3.script += [error(status, code), part(10, 3), part(3, 3)]
    assert source.checksum(state) == CompositeChecksum(algorithm, state.parts_checksum.digest, 10)


@pytest.mark.parametrize("listed", [without_parts(2), attributes(pieces(10), "CRC32C", total=2, first=2)])
def test_where_parts_are_not_listed_in_full_the_first_and_the_last_are_asked_for(s3, source, listed):
    state = stat(s3, source, uploaded(pieces(10, 4), "CRC32C"))
    s3.script += [listed, part(10, 2), part(4, 2)]
    assert source.checksum(state) == CompositeChecksum("CRC32C", state.parts_checksum.digest, 10)


@pytest.mark.parametrize(
    "answers",
    [
        [found(length=20, ETag=f'"{MD5}-2"')],  # a server that does not know of parts answers with the whole object
        [part(10, 3), part(10, 3)],
        [part(10, 2), part(11, 2)],
        [part(10, 2), part(9, 2)],
        [error(403)],
        [error(501)],
        [error(416)],
        [part(10, 2), error(416)],
    ],
)
def test_sizes_of_parts_that_do_not_add_up_are_not_known(s3, source, answers):
    state = stat(s3, source, uploaded(pieces(10, 10), None))
    s3.script += answers * 3  # the SDK repeats what it expects to pass
    assert source.checksum(state) is None


@pytest.mark.parametrize("other", [{"etag": f"{MD5}-3"}, {"modified": "Fri, 02 Jan 2026 03:04:06 GMT"}])
def test_parts_of_another_state_are_not_taken(s3, source, other):
    """Nor is it an error: reading will tell, and a server of S3's API may say of parts what it likes."""
    parts = pieces(10, 10)
    state = stat(s3, source, uploaded(parts, "CRC32C"))
    s3.script += [attributes(parts, "CRC32C", **other), error(412)]
    assert source.checksum(state) is None


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_parts_of_an_object_that_is_gone_tell_that_it_has_moved(s3, source, code):
    state = stat(s3, source, uploaded(pieces(10, 10), "CRC32C"))
    s3.script.append(error(404, code))
    with pytest.raises(SourceMoved):
        source.checksum(state)


@pytest.mark.parametrize(
    "answer",
    [
        error(412),
        part(10, 2, ETag=f'"{MD5[::-1]}-2"'),
        part(10, 2, Last_Modified="Fri, 02 Jan 2026 03:04:06 GMT"),
        part(10, 2, x_amz_version_id="v2"),
    ],
)
@pytest.mark.parametrize("before", [[], [part(10, 2)]])
def test_a_part_of_another_state_is_not_taken(s3, source, before, answer):
    state = stat(s3, source, uploaded(pieces(10, 10), None))
    s3.script += [*before, answer]
    assert source.checksum(state) is None


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (404, "NoSuchBucket", Permanent, Reason.SOURCE_BUCKET_NOT_FOUND),
        (503, "SlowDown", Transient, Reason.SOURCE_UNAVAILABLE),
        (403, "InvalidAccessKeyId", Transient, Reason.SOURCE_CREDENTIALS_REJECTED),
    ],
)
def test_what_else_s3_answers_is_an_error(s3, source, status, code, kind, reason):
    state = stat(s3, source, uploaded(pieces(10, 10), "CRC32C"))
    s3.script += [error(status, code)] * 3
    with pytest.raises(kind) as failed:
        source.checksum(state)
    assert failed.value.reason is reason


def test_parts_are_read_with_renewed_keys(s3, connected):
    source, parts = connected(Keys(OLD_KEYS, NEW_KEYS)), pieces(10, 10)
    state = stat(s3, source, uploaded(parts, "CRC32C"))
    s3.script += [error(403, "InvalidAccessKeyId"), attributes(parts, "CRC32C")]
    assert isinstance(source.checksum(state), Checksum)


@pytest.mark.parametrize("sizes", [(10, 9), (10, 11)])
def test_listed_parts_that_are_not_all_of_the_object_make_no_checksum(s3, source, sizes):
    state = stat(s3, source, uploaded(pieces(10, 10), "CRC32C"))
    s3.script += [attributes(pieces(*sizes), "CRC32C"), error(403)]
    assert source.checksum(state) is None


@pytest.mark.parametrize(
    "unreadable",
    [part(10, 2, ETag=""), part(10, 2, Last_Modified="yesterday"), part(10, 2, x_amz_mp_parts_count="", ETag="")],
)
def test_an_answer_about_a_part_that_is_none_of_s3s_is_transient(s3, source, unreadable):
    state = stat(s3, source, uploaded(pieces(10, 10), None))
    s3.script.append(unreadable)
    with pytest.raises(Transient) as failed:
        source.checksum(state)
    assert failed.value.reason is Reason.SOURCE_UNAVAILABLE


def test_a_list_of_parts_that_is_none_of_s3s_is_transient(s3, source):
    parts = pieces(10, 10)
    state, listed = stat(s3, source, uploaded(parts, "CRC32C")), attributes(parts, "CRC32C")
    s3.script.append(replace(listed, body=listed.body.replace(b"Size>", b"Extent>")))
    with pytest.raises(Transient) as failed:
        source.checksum(state)
    assert failed.value.reason is Reason.SOURCE_UNAVAILABLE


@pytest.mark.parametrize(("status", "code"), [(400, "ExpiredToken"), (403, "InvalidAccessKeyId")])
def test_keys_that_expire_between_two_parts_are_renewed_although_a_head_does_not_say_why(s3, connected, status, code):
    source = connected(Keys(OLD_KEYS, NEW_KEYS))
    state = stat(s3, source, uploaded(pieces(10, 4), None))
    s3.script += [part(10, 2), *head_refused(status), error(status, code), part(4, 2)]
    assert source.checksum(state) == CompositeChecksum("MD5", state.parts_checksum.digest, 10)
    assert s3.requests[-1].access_key_id == NEW_KEYS.access_key_id
