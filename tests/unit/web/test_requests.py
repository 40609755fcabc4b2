"""What may be in a request's body, and how much of it."""

import io

import pytest
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from replicator.errors import Permanent
from replicator.model import DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.web.requests import (
    MAX_BATCH_ITEMS,
    MAX_BODY_BYTES,
    MAX_GENERATION,
    DirectCall,
    ObjectQuery,
    read_batch,
    read_body,
    read_direct,
    read_query,
)


class Input(io.RawIOBase):
    """A body of `size` bytes that counts what is read of it."""

    def __init__(self, size: int) -> None:
        self.left, self.given = size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = min(len(buffer), self.left)
        buffer[:count] = b"x" * count
        self.left -= count
        self.given += count
        return count


def request(body: Input, announced: int | None) -> Request:
    """With an announced length, or else in chunks, as gunicorn hands them on."""
    environ = create_environ(method="POST") | {"wsgi.input": body}
    environ.pop("CONTENT_LENGTH", None)
    if announced is None:
        environ |= {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    else:
        environ["CONTENT_LENGTH"] = str(announced)
    return Request(environ)


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("size", [0, 1, MAX_BODY_BYTES])
def test_a_body_within_the_bound_is_read(size, announced):
    assert read_body(request(Input(size), size if announced else None)) == b"x" * size


def test_a_body_that_says_it_is_too_large_is_not_read_at_all():
    body = Input(MAX_BODY_BYTES * 100)
    with pytest.raises(Permanent) as large:
        read_body(request(body, MAX_BODY_BYTES * 100))
    assert large.value.reason is Reason.BODY_TOO_LARGE
    assert body.given == 0


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_of_one_byte_more_is_too_large(announced):
    size = MAX_BODY_BYTES + 1
    with pytest.raises(Permanent) as large:
        read_body(request(Input(size), size if announced else None))
    assert large.value.reason is Reason.BODY_TOO_LARGE


def test_a_body_that_turns_out_too_large_is_not_read_to_its_end():
    body = Input(MAX_BODY_BYTES * 100)
    with pytest.raises(Permanent) as large:
        read_body(request(body, None))
    assert large.value.reason is Reason.BODY_TOO_LARGE
    assert body.given < 2 * MAX_BODY_BYTES


@pytest.mark.parametrize(
    "document",
    [
        {"s3_bucket": "b", "s3_key": "k"},
        {"bucket": "b", "key": "k"},
        {"src_bucket": "b", "src_key": "k"},
        {"s3_bucket": "b", "key": "k"},
        {"bucket": "b", "key": "k", "dest_bucket": None, "dest_key": None, "version_id": None, "dry_run": False},
    ],
)
def test_a_direct_body_names_an_object(document):
    assert read_direct(document) == DirectCall(SourceKey("b", "k"))


@pytest.mark.parametrize("key", [" ", "a b+c%2F", "ü/日本/🚀", "\x00", "x" * 1024, "../.."])
def test_a_key_is_taken_as_it_is(key):
    assert read_direct({"bucket": "b", "key": key}).source.key == key


INPUT = "do-not-repeat-this"


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ({}, "s3_bucket: "),
        ({"bucket": "b"}, "s3_key: "),
        ({"key": INPUT}, "s3_bucket: "),
        ({"bucket": "", "key": INPUT}, "bucket: "),
        ({"bucket": INPUT, "key": ""}, "key: "),
        ({"bucket": "b", "key": INPUT * 60}, "key: "),
        ({"bucket": 17.0, "key": INPUT}, "bucket: "),
        ({"bucket": None, "key": INPUT}, "bucket: "),
        ({"bucket": [INPUT], "key": INPUT}, "bucket: "),
        ({"bucket": INPUT, "key": {INPUT: INPUT}}, "key: "),
        ({"bucket": INPUT, "key": True}, "key: "),
        ({"bucket": INPUT, "key": "\ud800"}, "key: "),
        ({"bucket": "b", "key": "k", "s3_bucket": "b"}, "bucket: not for this door, or there by another name already"),
        ({"bucket": "b", "key": "k", "s3_key": "other"}, "key: "),
        ({"bucket": "b", "key": "k", INPUT: INPUT}, "another field: not known; known are bucket, dest_bucket, "),
        ({"bucket": "b", "key": "k", "": ""}, "another field: "),
        ({"Bucket": "b", "Key": "k"}, "another field: "),
        ({"s3_bucket": "b", "src_bucket": "b", "key": "k"}, "src_bucket: "),
        ({"bucket": "b", "key": "k", "dest_bucket": INPUT}, "belong together"),
        ({"bucket": "b", "key": "k", "dest_key": INPUT}, "belong together"),
        ({"bucket": "b", "key": "k", "dest_bucket": INPUT, "dest_key": None}, "belong together"),
        ({"bucket": "b", "key": "k", "dest_bucket": "", "dest_key": INPUT}, "dest_bucket: "),
        ({"bucket": "b", "key": "k", "dest_bucket": 17.0, "dest_key": INPUT}, "dest_bucket: "),
        ({"bucket": "b", "key": "k", "version_id": ""}, "version_id: "),
        ({"bucket": "b", "key": "k", "version_id": 1.0}, "version_id: "),
        ({"bucket": "b", "key": "k", "dry_run": "yes"}, "dry_run: "),
        ({"bucket": "b", "key": "k", "dry_run": 1.0}, "dry_run: "),
        ({"bucket": "b", "key": "k", "dry_run": None}, "dry_run: "),
        ([], "body: "),
        ([INPUT], "body: "),
        (INPUT, "body: "),
        (17.0, "body: "),
        (None, "body: "),
        (True, "body: "),
    ],
)
def test_any_other_body_is_malformed_and_the_error_says_where_without_repeating_it(document, detail):
    with pytest.raises(Permanent) as malformed:
        read_direct(document)
    assert malformed.value.reason is Reason.REQUEST_MALFORMED
    assert detail in malformed.value.detail
    assert INPUT not in f"{malformed.value!r} {malformed.value.detail}"
    assert malformed.value.__suppress_context__


def test_an_error_does_not_grow_with_the_body():
    with pytest.raises(Permanent) as malformed:
        read_direct({"x" * number: 1.0 for number in range(1000)})
    assert len(malformed.value.detail) < 200


def test_a_direct_body_may_name_destination_and_version_and_ask_for_a_dry_run():
    document = {"bucket": "b", "key": "k", "dest_bucket": "d", "dest_key": "n", "version_id": "v", "dry_run": True}
    assert read_direct(document) == DirectCall(SourceKey("b", "k"), DestinationName("d", "n"), "v", dry_run=True)


@pytest.mark.parametrize("items", [[None], [{}, 17.0, "x"], [{}] * MAX_BATCH_ITEMS])
def test_the_items_of_a_batch_are_not_read(items):
    assert read_batch({"items": items}) == items


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ({}, "items: "),
        ({"items": []}, "items: "),
        ({"items": [{}] * (MAX_BATCH_ITEMS + 1)}, "items: "),
        ({"items": {INPUT: INPUT}}, "items: "),
        ({"items": INPUT}, "items: "),
        ({"items": None}, "items: "),
        ({"items": [{}], INPUT: INPUT}, "another field: "),
        ([INPUT], "body: "),
        (None, "body: "),
    ],
)
def test_any_other_batch_is_malformed_as_a_whole(document, detail):
    with pytest.raises(Permanent) as malformed:
        read_batch(document)
    assert malformed.value.reason is Reason.REQUEST_MALFORMED
    assert detail in malformed.value.detail
    assert INPUT not in f"{malformed.value!r} {malformed.value.detail}"


def query(text: str, **path: str) -> ObjectQuery:
    return read_query(Request(create_environ(path="/v1/object", query_string=text)), **path)


@pytest.mark.parametrize(
    ("text", "name", "generation"),
    [
        ("bucket=b&key=k", "k", None),
        ("key=k&bucket=b", "k", None),
        ("bucket=b&key=a%20b+c%2Bd%2F%25", "a b c+d/%", None),
        ("bucket=b&key=a//b/../c", "a//b/../c", None),
        ("bucket=b&key=%C3%BC%F0%9F%9A%80", "ü🚀", None),
        ("bucket=b&key=%0D%0A%00", "\r\n\x00", None),
        ("bucket=b&key=k%3Fa%3Db%26c%23", "k?a=b&c#", None),
        ("bucket=b&key=a;b=c", "a;b=c", None),
        ("bucket=b&key=k&generation=17", "k", 17),
        ("bucket=b&key=k&generation=0", "k", 0),
        (f"bucket=b&key=k&generation={MAX_GENERATION}", "k", MAX_GENERATION),
    ],
)
def test_a_query_names_a_destination_object(text, name, generation):
    assert query(text) == ObjectQuery(DestinationName("b", name), generation)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "bucket=b",
        "key=k",
        "bucket=&key=k",
        "bucket=b&key=",
        "bucket=b&key",
        "bucket=b&key=k&key=other",
        "bucket=b&bucket=b&key=k",
        "bucket=b&key=k&generation=1&generation=2",
        "bucket=b&key=k&Generation=17",
        "bucket=b&key=k&if_generation=17",
        "bucket=b&key=%ff",
        "bucket=b&key=\xff",
        "bucket=b&key=k&generation=",
        "bucket=b&key=k&generation=-1",
        "bucket=b&key=k&generation=+1",
        "bucket=b&key=k&generation=1.0",
        "bucket=b&key=k&generation=%D9%A1",
        "bucket=b&key=k&generation=1%0A",
        f"bucket=b&key=k&generation={MAX_GENERATION + 1}",
        "bucket=b&key=k&generation=" + "1" * 10_000,
    ],
)
def test_any_other_query_is_malformed_so_that_no_condition_is_overlooked(text):
    with pytest.raises(Permanent) as malformed:
        query(text)
    assert malformed.value.reason is Reason.REQUEST_MALFORMED
    assert len(malformed.value.detail) < 100


def test_a_path_names_the_object_and_the_query_only_the_generation():
    assert query("generation=17", bucket="b", key="k") == ObjectQuery(DestinationName("b", "k"), 17)
    for text in ("bucket=b", "key=other", "bucket=b&key=k", "x=y"):
        with pytest.raises(Permanent):
            query(text, bucket="b", key="k")


@pytest.mark.parametrize("sent", ["/v1/object/b/k?", "/v1/object/b/k#x", "/v1/object/b/k?generation=1#x"])
def test_a_path_that_may_be_only_the_beginning_of_a_key_is_refused(sent):
    request = Request(create_environ(path="/v1/object/b/k") | {"RAW_URI": sent})
    with pytest.raises(Permanent) as malformed:
        read_query(request, bucket="b", key="k")
    assert "percent-encoded" in malformed.value.detail
