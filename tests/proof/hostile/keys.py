"""Keys: those that S3 can hold, and what people send in their place."""

from hypothesis import strategies as st

from replicator.rules.names import problem_with_name
from tests.proof.hostile.promises import EXCEPTION_TEXT

MAX_BYTES = 1024

EDGES = [
    " ",
    "+",
    "%",
    "%2B",
    "%2F",
    "%252F",
    "a b+c%20d",
    "100%",
    "%FF",
    "&=?#;,:@$!*'()[]{}|\\^`\"<>~",
    "/",
    "//",
    "/leading",
    "trailing/",
    "a//b",
    "a/./b",
    "a/../b",
    "../../other-bucket/o/k",
    "..a",
    ".../",
    "./k",
    "../k",
    "%2e%2e/k",
    "..%2Fk",
    "..\\k",
    ".replicator",
    ".replicators/k",
    "a/.replicator/k",
    "\x00",
    "a\x00b",
    "\x01\x1b[31m\x7f\x85",
    "\u2028\u2029\ufeff\u200b\u202e",
    "é",
    "e\u0301",
    "日本語",
    "🌸",
    "\U0010ffff",
    "\ufffe\uffff",
    "k?versionId=x",
    "k#fragment",
    "k?alt=media&generation=1",
    "null",
    "aws-chunked",
    "x" * 1024,
    "é" * 512,
    "x" + "🌸" * 255 + "abc",
    "+" * 1024,
]
"""Valid keys of S3, each with something that some encoding could lose; the last ones are as long as a key may be."""

REFUSED = [
    ".",
    "..",
    "a\nb",
    "a\r\nX-Injected: 1",
    "\r",
    ".well-known/acme-challenge/k",
    ".replicator/",
    ".replicator/k",
    ".replicator/../k",
]
"""Valid keys of S3 that no replica may have."""

IMPOSSIBLE = ["", "x" * 1025, "é" * 512 + "x", "x" * 1022 + "é" + "x", "🌸" * 257, "x" * 5_000]
"""What no key can be: empty, or longer than 1,024 bytes, also by one byte of a character."""

any_key = st.one_of(
    st.sampled_from(EDGES + REFUSED),
    st.text(min_size=1, max_size=40),
    st.text(st.sampled_from("+% /.&=?#\\\x00\né🌸2Ff"), min_size=1, max_size=40),
    st.text(min_size=100, max_size=300).filter(lambda key: len(key.encode()) <= MAX_BYTES),
).filter(lambda key: 1 <= len(key.encode()) <= MAX_BYTES and not EXCEPTION_TEXT.search(key))
"""Any key that S3 can hold, but for those that are words of errors: hypothesis draws such, too."""

replicable_key = any_key.filter(lambda key: problem_with_name(key) is None)
