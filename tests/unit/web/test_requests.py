"""What may be in a request's body, and how much of it."""

import io

import pytest
from werkzeug.test import create_environ
from werkzeug.wrappers import Request

from replicator.errors import Permanent
from replicator.model import SourceKey
from replicator.reasons import Reason
from replicator.web.requests import MAX_BODY_BYTES, read_body, read_direct


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
        {"s3_bucket": "b", "key": "k"},
    ],
)
def test_a_direct_body_names_an_object(document):
    assert read_direct(document) == SourceKey("b", "k")


@pytest.mark.parametrize("key", [" ", "a b+c%2F", "ü/日本/🚀", "\x00", "x" * 5000, "../.."])
def test_a_key_is_taken_as_it_is(key):
    assert read_direct({"bucket": "b", "key": key}).key == key


INPUT = "do-not-repeat-this"


@pytest.mark.parametrize(
    ("document", "detail"),
    [
        ({}, "s3_bucket: "),
        ({"bucket": "b"}, "s3_key: "),
        ({"key": INPUT}, "s3_bucket: "),
        ({"bucket": "", "key": INPUT}, "bucket: "),
        ({"bucket": INPUT, "key": ""}, "key: "),
        ({"bucket": 17.0, "key": INPUT}, "bucket: "),
        ({"bucket": None, "key": INPUT}, "bucket: "),
        ({"bucket": [INPUT], "key": INPUT}, "bucket: "),
        ({"bucket": INPUT, "key": {INPUT: INPUT}}, "key: "),
        ({"bucket": INPUT, "key": True}, "key: "),
        ({"bucket": INPUT, "key": "\ud800"}, "key: "),
        ({"bucket": "b", "key": "k", "s3_bucket": "b"}, "bucket: "),
        ({"bucket": "b", "key": "k", "s3_key": "other"}, "key: "),
        ({"bucket": "b", "key": "k", INPUT: INPUT}, "another field: "),
        ({"bucket": "b", "key": "k", "": ""}, "another field: "),
        ({"Bucket": "b", "Key": "k"}, "another field: "),
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
