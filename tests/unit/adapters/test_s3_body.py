"""Counting the bytes of an answer."""

import http.client
from io import BytesIO

import pytest

from replicator.adapters.s3_body import READ_SIZE, S3Body
from replicator.errors import Transient
from replicator.reasons import Reason


class Stream(BytesIO):
    """Gives what it has, however much was announced."""


def body(data: bytes, expected: int, announced: str | None = None) -> S3Body:
    return S3Body(Stream(data), {"content-length": announced or str(expected)}, expected)


def test_a_stream_that_ends_early_is_truncated():
    short, buffer = body(b"he", 5), memoryview(bytearray(5))
    assert short.readinto(buffer) == 2
    with pytest.raises(Transient) as truncated:
        short.readinto(buffer)
    assert (truncated.value.reason, truncated.value.detail) == (Reason.SOURCE_TRUNCATED, "3 bytes are missing")


def test_no_more_is_taken_than_was_asked_for():
    buffer = memoryview(bytearray(9))
    assert body(b"hello, more", 5).readinto(buffer) == 5
    assert bytes(buffer) == b"hello" + bytes(4)


def test_one_read_waits_for_a_bounded_number_of_bytes():
    size = 2 * READ_SIZE + 1
    assert body(bytes(size), size).readinto(memoryview(bytearray(size))) == READ_SIZE


@pytest.mark.parametrize("announced", ["4", "6", "", "5, 5"])
def test_another_length_is_refused(announced):
    with pytest.raises(Transient) as wrong:
        S3Body(Stream(b"hello"), {"content-length": announced} if announced else {}, 5)
    assert wrong.value.reason is Reason.SOURCE_TRUNCATED


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), http.client.IncompleteRead(b"")])
def test_a_connection_that_breaks_is_transient(error):
    class Broken(Stream):
        def readinto(self, buffer):
            raise error

    with pytest.raises(Transient) as broken:
        S3Body(Broken(), {"content-length": "5"}, 5).readinto(memoryview(bytearray(5)))
    assert broken.value.reason is Reason.SOURCE_UNAVAILABLE
