"""Reads request bodies, within bounds."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wrappers import Request

from replicator.errors import Permanent
from replicator.model import SourceKey
from replicator.reasons import Reason

MAX_BODY_BYTES = 1024**2
"""EventBridge's entries are at most 256 KiB, and a Pub/Sub envelope adds a third."""

Name = Annotated[str, Field(min_length=1)]


FIELDS = ("s3_bucket", "bucket", "s3_key", "key")


class DirectRequest(BaseModel):
    """The body of a direct call: `{"s3_bucket", "s3_key"}` or `{"bucket", "key"}`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    bucket: Name = Field(validation_alias=AliasChoices("s3_bucket", "bucket"))
    key: Name = Field(validation_alias=AliasChoices("s3_key", "key"))


def read_body(request: Request) -> bytes:
    """Raises `Permanent(body_too_large)` without reading more than the bound."""
    # One byte more, because a chunked body is cut off at the bound without a word.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large() from None
    except ClientDisconnected:
        raise Permanent(Reason.REQUEST_MALFORMED, "the body ends early") from None
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _too_large() -> Permanent:
    return Permanent(Reason.BODY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes")


def read_direct(document: object) -> SourceKey:
    """The object a direct body names. Raises `Permanent(request_malformed)`, which says what is wrong with it."""
    try:
        request = DirectRequest.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        details = {f"{_field(problem['loc'])}: {problem['msg']}" for problem in problems}
        raise Permanent(Reason.REQUEST_MALFORMED, "; ".join(sorted(details))) from None
    return SourceKey(request.bucket, request.key)


def _field(location: Sequence[int | str]) -> str:
    """A field's name if it is one of ours: any other is input, which is never repeated."""
    if not location:
        return "body"
    return str(location[0]) if location[0] in FIELDS else "another field"
