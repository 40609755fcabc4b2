"""Text in S3's headers: what S3 encoded is decoded, and everything else is left as it is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.adapters.s3_text import content_encoding, header_text, metadata_text


def words(text: str, size: int = 45) -> str:
    """A value as RFC 2047 has it, in several words where one would be too long. Characters may be split."""
    data = text.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    return " ".join(f"=?UTF-8?B?{base64.b64encode(piece).decode()}?=" for piece in pieces)


@pytest.mark.parametrize(
    ("encoded", "text"),
    [
        ("=?UTF-8?B?w6TDtsO8?=", "äöü"),
        ("=?utf-8?b?w6TDtsO8?=", "äöü"),
        ("=?UTF-8?Q?gr=C3=BCn?=", "grün"),
        ("=?UTF-8?q?very_gr=c3=bcn?=", "very grün"),
        ("=?UTF-8?Q?a=5Fb=3D_?=", "a_b= "),
        ("=?UTF-8?B?w6Q=?= =?UTF-8?B?w7Y=?=", "äö"),
        ("=?UTF-8?B?w6Q=?=  \t=?UTF-8?Q?=C3=B6?=", "äö"),
        ("=?UTF-8?B?8J+a?= =?UTF-8?B?gA==?=", "🚀"),
        # The example in Amazon's manual: raw UTF-8 that was sent to S3 is Latin-1 to it, and this is what it holds.
        ("=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?=", "ÄMÄZÕÑ S3".encode().decode("latin-1")),
    ],
)
def test_what_s3_encodes_is_decoded(encoded, text):
    assert metadata_text(encoded) == text


@given(st.text(min_size=1), st.integers(1, 60))
def test_any_text_comes_back_however_it_is_split_into_words(text, size):
    assert metadata_text(words(text, size)) == text


@pytest.mark.parametrize(
    "value",
    [
        "",
        "plain",
        " =?UTF-8?B?w6Q=?=",
        "see =?UTF-8?B?w6Q=?=",
        "=?UTF-8?B?w6Q=?= and more",
        "=?UTF-8?B?w6Q=?==?UTF-8?B?w7Y=?=",
        "=?ISO-8859-1?Q?=E4?=",
        "=?UTF-8*de?B?w6Q=?=",
        "=?UTF-8?X?w6Q=?=",
        "=?UTF-8?B?w6Q?=",
        "=?UTF-8?B?w6Q=",
        "=?UTF-8?B?w$6Q=?=",
        "=?UTF-8?B?/w==?=",
        "=?UTF-8?Q?=FF?=",
        "=?UTF-8?Q?=C3=?=",
        "=?UTF-8?Q?=XX?=",
        "=?UTF-8?B??=",
        "=?UTF-8?B?w6Q=?= =?UTF-8?B?/w==?=",
    ],
)
def test_everything_else_can_only_be_meant_literally(value):
    assert metadata_text(value) == value


@pytest.mark.parametrize("text", ["äöü 日本", "plain", "", "a\x85b"])
def test_a_server_that_sends_utf_8_is_understood(text):
    assert header_text(text.encode().decode("latin-1")) == text
    assert metadata_text(text.encode().decode("latin-1")) == text


@pytest.mark.parametrize("value", ["\xfc", "M\xfcnchen", "\xc3", "日本"])
def test_bytes_that_are_no_utf_8_stay_what_they_are(value):
    assert header_text(value) == value


@pytest.mark.parametrize(
    ("stored", "encoding"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("gzip, br", "gzip, br"),
        ("aws-chunked", None),
        ("aws-chunked,", None),
        ("AWS-Chunked", None),
        ("gzip,aws-chunked", "gzip"),
        ("aws-chunked,gzip", "gzip"),
        ("br, aws-chunked, gzip", "br,gzip"),
        ("aws-chunked-2", "aws-chunked-2"),
    ],
)
def test_the_coding_of_an_upload_is_none_of_the_object(stored, encoding):
    assert content_encoding(stored) == encoding
