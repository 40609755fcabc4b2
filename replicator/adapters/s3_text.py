"""Text in the headers of S3's answers, as it was before it had to fit into a header."""

import base64
import quopri
import re

_WORD = r"=\?UTF-8\?([BQ])\?([^?\s]+)\?="
ENCODED_WORD = re.compile(_WORD, re.IGNORECASE)
ENCODED_VALUE = re.compile(rf"{_WORD}(?:[ \t]+{_WORD})*", re.IGNORECASE)
QUOTED = re.compile("(?:[^=]|=[0-9A-F]{2})*", re.IGNORECASE)

TRANSFER_CODING = "aws-chunked"


def header_text(value: str) -> str:
    """A header's text: its bytes are UTF-8, if they can be, although http.client reads all headers as Latin-1.

    S3 itself sends ASCII only; other servers of its API send what they were given.
    """
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def metadata_text(value: str) -> str:
    """The value of user metadata.

    S3 returns a value that is not ASCII as RFC 2047 has it: the whole of it, as one word or several, in UTF-8
    (https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html#UserMetadata). Exactly that is decoded;
    words amid other text, other charsets and what is malformed can only be meant literally.
    """
    if not ENCODED_VALUE.fullmatch(value):
        return header_text(value)
    try:
        # A character may be split between two words, though the RFC forbids it.
        return b"".join(_decoded(*word) for word in ENCODED_WORD.findall(value)).decode()
    except ValueError:
        return value


def content_encoding(value: str | None) -> str | None:
    """The codings of the stored bytes, which `aws-chunked` never is: it describes only how they once were uploaded.

    S3 takes it out of what it stores (https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html), but it did
    not always, and other servers of its API do not.
    """
    codings = [coding.strip() for coding in (value or "").split(",")]
    if TRANSFER_CODING not in map(str.lower, codings):
        return value or None
    return ",".join(coding for coding in codings if coding.lower() not in (TRANSFER_CODING, "")) or None


def _decoded(encoding: str, text: str) -> bytes:
    """Raises `ValueError` for what is not well-formed."""
    if encoding in "Bb":
        return base64.b64decode(text, validate=True)
    if not QUOTED.fullmatch(text):
        raise ValueError
    return quopri.decodestring(text.encode("ascii"), header=True)
