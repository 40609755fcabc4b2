"""Values of JSON that nobody expects."""

import json
from typing import Any

from tests.proof.hostile.keys import IMPOSSIBLE, REFUSED

INJECTION = "x\r\nX-Injected: 1\r\n\r\n<script>"

VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1.5,
    -0.0,
    1e308,
    2**63,
    -(10**400),
    10**400,
    float("nan"),
    float("inf"),
    float("-inf"),
    "",
    " ",
    "0",
    "null",
    "true",
    "NaN",
    [],
    {},
    [[]],
    [None],
    {"": None},
    [1] * 1000,
    "\x00",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    INJECTION,
    "{}",
    "[]",
    "e30=",
    "=",
    "....",
    "%",
    "%zz",
    "%ff",
    "%ed%a0%80",
    "%00",
    "${jndi:ldap://x}",
    "{0.__class__}",
    "%s%n%x",
    "'; DROP TABLE objects; --",
    "../../etc/passwd",
    "9" * 400,
    "2026-13-45T99:99:99Z",
    *REFUSED,
    *IMPOSSIBLE,
]


def named(value: object) -> str:
    """For the name of a test."""
    return repr(value)[:30]


def encoded(document: object) -> bytes:
    """As JSON, with what only Python's knows, like NaN, and integers of any length."""
    return json.dumps(document).encode()
