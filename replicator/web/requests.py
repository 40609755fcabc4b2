"""Reads requests, within bounds. What is wrong with one is said in words that never repeat it."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Annotated, Any, Self, TypeVar
from urllib.parse import parse_qsl

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import ErrorDetails
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from werkzeug.wrappers import Request

from replicator.errors import Permanent
from replicator.events import decode_json
from replicator.model import MAX_KEY_BYTES, Change, DestinationName, SourceKey
from replicator.reasons import Reason
from replicator.telemetry import Occasion

SECRET_HEADER = "X-Ingest-Secret"  # noqa: S105  the header's name

MAX_BODY_BYTES = 1024**2
"""EventBridge's entries are at most 256 KiB, and a Pub/Sub envelope adds a third."""

MAX_DISCARDED_BYTES = 32 * 1024**2
"""The largest request that Cloud Run hands on over HTTP/1 (https://cloud.google.com/run/quotas#request_limits)."""

DISCARDED_AT_ONCE = 64 * 1024

MAX_BATCH_ITEMS = 100
"""Objects in one batch, which share one deadline."""

MAX_GENERATION = 2**63 - 1
"""Cloud Storage's generations are signed 64-bit numbers."""

Model = TypeVar("Model", bound=BaseModel)
Name = Annotated[str, Field(min_length=1, max_length=MAX_KEY_BYTES)]
"""Its bytes are counted later; but what is far too long is in no line and no answer."""


def _every_spelling(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Completes pydantic's JSON Schema with what it leaves out: the aliases, and which fields belong together."""
    properties: dict[str, Any] = {}
    required = []
    for name, field in model.model_fields.items():
        choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else [name]
        described = next(schema["properties"][choice] for choice in choices if choice in schema["properties"])
        properties |= {str(choice): described for choice in choices}
        if field.is_required():
            required.append({"oneOf": [{"required": [choice]} for choice in choices]})
    neither = {"properties": {"dest_bucket": {"type": "null"}, "dest_key": {"type": "null"}}}
    both = {
        "properties": {"dest_bucket": {"type": "string"}, "dest_key": {"type": "string"}},
        "required": ["dest_bucket", "dest_key"],
    }
    schema |= {"properties": properties, "allOf": [*required, {"anyOf": [neither, both]}]}
    del schema["required"]


class DirectRequest(BaseModel):
    """The body of a direct call, under any of the names that earlier systems gave its fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_every_spelling)

    bucket: Name = Field(
        validation_alias=AliasChoices("s3_bucket", "src_bucket", "bucket"), description="The source bucket in S3."
    )
    key: Name = Field(
        validation_alias=AliasChoices("s3_key", "src_key", "key"), description="The source object's key, as it is."
    )
    dest_bucket: Name | None = Field(
        None, description="The destination bucket; with `dest_key`, in place of the rules'."
    )
    dest_key: Name | None = Field(None, description="The destination object's name.")
    version_id: Name | None = Field(
        None, description="A hint, as in an event: it is logged, and the source's current state is replicated."
    )
    dry_run: bool = Field(False, description="Say what would happen, and write nothing.")

    @model_validator(mode="after")
    def _whole_destination(self) -> Self:
        if (self.dest_bucket is None) != (self.dest_key is None):
            raise ValueError("dest_bucket and dest_key belong together")
        return self


Item = Annotated[
    object,
    WithJsonSchema(
        {
            "anyOf": [
                {"$ref": "#/components/schemas/DirectRequest"},
                {"description": "Anything else is answered as malformed, in its place."},
            ]
        }
    ),
]


class BatchRequest(BaseModel):
    """The body of a batch. Its items are read one by one, so that a malformed one does not hide the others."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_BATCH_ITEMS)]


FIELDS = frozenset({*DirectRequest.model_json_schema()["properties"], *BatchRequest.model_fields})
"""What an error may name."""

UNKNOWN = f"not known; known are {', '.join(sorted(FIELDS))}"
ANOTHER_NAME = "not for this door, or there by another name already"


@dataclass(frozen=True, slots=True)
class DirectCall:
    """What a direct call asks for."""

    source: SourceKey
    to: DestinationName | None = None
    version_id: str | None = None
    dry_run: bool = False

    def occasion(self, door: str) -> Occasion:
        """A direct call for a version says no more than an event about it would."""
        return Occasion(door, Change(self.source, door, version_id=self.version_id) if self.version_id else None)


@dataclass(frozen=True, slots=True)
class ObjectQuery:
    """The destination object that a query names, and the generation it must be at, if any."""

    name: DestinationName
    generation: int | None = None


def read_body(request: Request) -> bytes:
    """Raises `Permanent(body_too_large)` without reading more than the bound."""
    # One byte more, because a chunked body is cut off at the bound without a word.
    request.max_content_length = MAX_BODY_BYTES + 1
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large() from None
    except ClientDisconnected:
        raise _malformed("the body ends early") from None
    except Exception as error:  # the server has errors of its own for a body whose chunks make no sense
        raise _malformed("the body cannot be read") from error
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def discard_rest(request: Request) -> None:
    """Reads what was not read of a body and throws it away: to a peer that is still sending, the answer would be lost.

    In small pieces and up to a bound: functions-framework would do it too, but into memory and whatever the size.
    """
    known = vars(request).pop("stream", None)  # werkzeug keeps the one it made, which knows how much was read
    request.max_content_length = None
    terminated = request.environ.get("wsgi.input_terminated")
    rest = request.environ["wsgi.input"] if terminated else known or request.stream
    discarded = 0
    with suppress(Exception):  # whatever is wrong with it, nobody wants it
        while discarded < MAX_DISCARDED_BYTES and (piece := rest.read(DISCARDED_AT_ONCE)):
            discarded += len(piece)
    request.environ.update({"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"})
    vars(request).pop("stream", None)


def read_direct(document: object) -> DirectCall:
    """What a direct body asks for. Raises `Permanent(request_malformed)`, which says what is wrong with it."""
    body = _validated(DirectRequest, document)
    to = DestinationName(body.dest_bucket, body.dest_key) if body.dest_bucket and body.dest_key else None
    return DirectCall(SourceKey(body.bucket, body.key), to, body.version_id, body.dry_run)


def read_batch(document: object) -> list[object]:
    """The items of a batch, unread. Raises `Permanent(request_malformed)`."""
    return _validated(BatchRequest, document).items


def read_query(request: Request, **path: str) -> ObjectQuery:
    """The object named by the path, or else by `bucket` and `key` in the query: there every character is safe.

    Raises `Permanent(request_malformed)`, also for a parameter we do not know: a misspelt condition must not be none.
    """
    sent = str(request.environ.get("RAW_URI", ""))  # gunicorn's and werkzeug's, as it was sent
    if "#" in sent or (path and sent.endswith("?")):
        # A client that does not encode keys: what the server cut off there was part of one.
        raise _malformed("`?` and `#` in a key must be percent-encoded")
    try:
        pairs = parse_qsl(request.query_string.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise _malformed("the query is not URL-encoded UTF-8") from None
    allowed = {"generation"} if path else {"bucket", "key", "generation"}
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names) or not set(names) <= allowed:
        raise _malformed(f"query: {', '.join(sorted(allowed))}, each at most once")
    query = dict(pairs) | path
    if not (query.get("bucket") and query.get("key")):
        raise _malformed("bucket, key: both are required")
    generation = query.get("generation")
    if generation is not None and not (re.fullmatch("[0-9]{1,19}", generation) and int(generation) <= MAX_GENERATION):
        raise _malformed("generation: not a number of 64 bits")
    return ObjectQuery(DestinationName(query["bucket"], query["key"]), int(generation) if generation else None)


def read_json(body: bytes) -> object:
    """The JSON of a direct body. Raises `Permanent(request_malformed)`."""
    try:
        return decode_json(body)
    except Permanent as error:
        raise _malformed(error.detail) from None


def _validated(model: type[Model], document: object) -> Model:
    if isinstance(document, dict) and len(document) > len(FIELDS):
        # Not one by one: pydantic would make an error of each, a hundred times the body's size.
        raise _malformed(f"another field: {UNKNOWN}")
    try:
        return model.model_validate(document)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
        details = {f"{_field(problem['loc'])}: {_said(problem)}" for problem in problems}
        raise _malformed("; ".join(sorted(details))) from None


def _said(problem: ErrorDetails) -> str:
    """Without the words that are about this program."""
    if problem["type"] == "extra_forbidden":
        return ANOTHER_NAME if problem["loc"][0] in FIELDS else UNKNOWN
    if problem["type"] == "model_type":
        return "not an object"
    return problem["msg"].removeprefix("Value error, ")


def _malformed(detail: str) -> Permanent:
    return Permanent(Reason.REQUEST_MALFORMED, detail)


def _too_large() -> Permanent:
    return Permanent(Reason.BODY_TOO_LARGE, f"at most {MAX_BODY_BYTES} bytes")


def _field(location: Sequence[int | str]) -> str:
    """A field's name if it is one of ours: any other is input, which is never repeated."""
    if not location:
        return "body"
    return str(location[0]) if location[0] in FIELDS else "another field"
