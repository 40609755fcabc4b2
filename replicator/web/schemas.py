"""What bodies of answers hold: the models behind the OpenAPI description, and what tests hold the answers against."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic.json_schema import SkipJsonSchema

from replicator.model import Result
from replicator.reasons import Reason
from replicator.transfer import Path, PathReason

Absent = SkipJsonSchema[None]
"""For members that are left out where there is nothing to say, and are never null."""

Uri = Annotated[str, Field(pattern=r"^(s3|gs)://", description="`s3://bucket/key` or `gs://bucket/name`, unescaped.")]
Number = Annotated[str, Field(pattern=r"^[0-9]+$", description="A 64-bit number as text, as in Cloud Storage's API.")]
Count = Annotated[int, Field(ge=0)]


class Schema(BaseModel):
    """Closed: what is not described is not answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AboutObject(Schema):
    """The members that say which object an answer is about, and what became of it."""

    rule: str | Absent = Field(None, description="Id of the rule that decided.")
    source: Uri | Absent = None
    destination: Uri | Absent = None
    generation: Number | Absent = Field(None, description="Generation of the destination object.")
    bytes: Count | Absent = Field(None, description="Bytes that were made visible, or would be.")
    path: Path | Absent = Field(None, description="How the bytes were moved.")
    path_reason: PathReason | Absent = Field(None, description="What decided that.")
    checked: str | Absent = Field(None, description="S3's checksum that the bytes passed; `none` where it has none.")
    attempts: Count | Absent = Field(None, description="How often it was tried.")
    version_id: str | Absent = Field(None, description="Version of the source that the destination now holds.")
    not_held: tuple[str, ...] | Absent = Field(None, description="What a replica cannot hold of its source.")
    dry_run: Literal[True] | Absent = Field(None, description="Nothing was written: this is what would happen.")


class Outcome(AboutObject):
    """What happened to one destination object, and why."""

    result: Result
    reason: Reason
    source: Uri


class Problem(AboutObject):
    """An RFC 9457 problem. `reason` is the stable code; about an object it says which, and what became of it."""

    type: Literal["about:blank"]
    title: str
    status: int
    reason: Reason
    detail: str = Field(description="For people. It may change, and never holds a secret.")
    result: Result | Literal["failed"] | Absent = None
    copied: Count | Absent = Field(None, description="Of an unfinished copy: bytes that need not be copied again.")
    size: Count | Absent = Field(None, description="Of an unfinished copy: bytes of the object.")
    outcomes: tuple["Outcome | Problem", ...] | Absent = Field(None, description="Of several destinations, each one's.")


class Outcomes(Schema):
    """What happened to the several destinations of one source object."""

    source: Uri
    outcomes: tuple[Outcome, ...] = Field(min_length=2)


class Answered(RootModel[Outcome | Outcomes]):
    """Of one destination its outcome, of several all together."""


class OutcomeItem(Outcome):
    """An outcome in a batch, with the status that it would have alone."""

    status: Literal[200, 201]


class OutcomesItem(Outcomes):
    """Outcomes in a batch, with the status that they would have alone."""

    status: Literal[200, 201]


class BatchAnswer(Schema):
    """A result for each item, in their order."""

    items: tuple[OutcomeItem | OutcomesItem | Problem, ...] = Field(min_length=1)


class Receipt(Schema):
    """Which source state a destination object holds, and which check its bytes passed."""

    source: Uri
    etag: str
    version_id: str | None
    last_modified: datetime
    size: Count
    checked: str


class ObjectStatus(Schema):
    """A destination object, and whether it is in sync with the source that its receipt names."""

    destination: Uri
    in_sync: bool
    reason: Reason
    detail: str
    generation: Number
    size: Count
    receipt: Receipt | None = Field(description="null: the object is not ours.")


class Health(Schema):
    """Alive."""

    status: Literal["ok"]


class Readiness(Schema):
    """Whether each bucket of the rules can be used."""

    status: Literal["ready", "not ready"]
    checks: dict[str, Literal["ok"] | Reason] = Field(description="By bucket URI: `ok`, or why it cannot be used.")


class Root(Schema):
    """What this is, and where it is described."""

    service: Literal["replicator"]
    openapi: Literal["/openapi.json"]
    docs: Literal["/docs"]


class OpenApi(BaseModel):
    """An OpenAPI description."""

    openapi: Literal["3.1.1"]
