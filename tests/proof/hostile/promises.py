"""What holds for every answer, every line and every request that leaves the service, whatever came in."""

import json
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from replicator.dev.cloud_storage.request_log import ServedRequest
from replicator.reasons import Reason
from replicator.rules import RESERVED_PREFIX
from replicator.web.schemas import Problem

EXCEPTION_TEXT = re.compile(
    r"Traceback|(Error|Exception|Warning)\b|codec can't|Expecting (value|property|',')|Invalid (control|\\\\escape)"
    r"|/site-packages/|\.py\b|object at 0x|pydantic|werkzeug|gunicorn|botocore|urllib3",
)
"""What texts of errors are made of. No input of these tests has any of it."""

SUCCESS = {200, 201, 204}


class Lines(logging.Handler):
    """The fields of each line that the service logs."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.fields.append({"message": record.getMessage(), **record.json_fields})  # type: ignore[attr-defined]


def require_answer(status: int, content_type: str, body: bytes) -> None:
    """Success, or a problem with a reason; never a 5xx, and no exception's text in either."""
    text = body.decode()
    assert status in SUCCESS or 400 <= status < 500, (status, text)
    assert not EXCEPTION_TEXT.search(text), text
    if status >= 400:
        assert content_type == "application/problem+json", (status, content_type, text)
        problem = Problem.model_validate_json(body)
        assert problem.status == status
        assert problem.reason is not Reason.UNEXPECTED


def require_line(fields: Mapping[str, Any]) -> None:
    """One line of the log: nothing that nobody foresaw, and no exception's text."""
    assert fields.get("reason") != Reason.UNEXPECTED, fields
    said = {name: value for name, value in fields.items() if name != "exception"}  # the name of a type may be said
    text = json.dumps(said, ensure_ascii=False)
    assert not EXCEPTION_TEXT.search(text), text
    assert "\n" not in text
    assert len(text) < 64 * 1024, "a line has its bounds whatever the input"
    assert all(abs(said) < 2**63 for said in fields.values() if isinstance(said, int)), "as has a number in it"


def require_rules_kept(served: Iterable[ServedRequest], bucket: str) -> int:
    """Every request that reached Cloud Storage is for the rules' bucket, and none writes under the reserved prefix.

    Returns how many wrote. Paths are looked at as a server may decode them.
    """
    writes = 0
    for request in served:
        place = re.fullmatch(
            rf"(?:/upload)?/storage/v1/b/{bucket}(?:/o(?:/([^/]+))?|/iam/testPermissions)?", request.path
        )
        assert place, request
        if request.method != "GET":
            writes += 1
            name = unquote(place[1]) if place[1] else parse_qs(request.query, keep_blank_values=True)["name"][0]
            assert name not in ("", ".", ".."), request
            assert not name.startswith(RESERVED_PREFIX), request
    return writes


def require_source_kept(targets: Iterable[str], bucket: str) -> None:
    """Every request for an object that reached S3 is for the rules' bucket."""
    for target in targets:
        assert target.startswith(f"/{bucket}/"), target
