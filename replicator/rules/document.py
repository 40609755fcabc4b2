"""The document that a person writes, and the rules it stands for (docs/rules.md)."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from replicator.model import Placement
from replicator.rules.conflicts import conflicts
from replicator.rules.errors import RulesError
from replicator.rules.fields import (
    Boolean,
    DestinationBucket,
    GlobText,
    Integer,
    KeyPart,
    KmsKey,
    Role,
    RuleId,
    Secret,
    Size,
    SourceBucket,
    TagKey,
    TagValue,
)
from replicator.rules.filter import Filter
from replicator.rules.rule import Deletes, Foreign, Parts, Rule, SourceAccess
from replicator.rules.ruleset import RuleSet
from replicator.rules.syntax import read_document, shown

MAX_RULES = 1000
"""As many as S3's own replication has for a bucket."""


def parse_rules(content: str | bytes) -> RuleSet:
    """The rules in a YAML or JSON document. Raises `RulesError` with all that is wrong."""
    written = _written_rules(read_document(content))
    found, problems = [], []
    for position, item in enumerate(written, start=1):
        try:
            found.append(_RuleDocument.model_validate(item).rule)
        except ValidationError as error:
            label = _label(position, item)
            problems += [f"{label}: {_sentence(problem)}" for problem in error.errors(include_url=False)]
    problems += _repeated_ids(written)
    if not problems:
        problems += conflicts(found)
    if not problems and not any(rule.enabled for rule in found):
        # Every event would be acknowledged and lost. One that cannot be delivered stays in its subscription.
        problems.append("no rule is enabled; to pause replication, pause the delivery of events")
    if problems:
        raise RulesError(problems)
    return RuleSet(tuple(found))


def _written_rules(document: object) -> list[object]:
    """A list of rules, or a mapping with nothing but `rules`, which is one."""
    if isinstance(document, Mapping):
        if unknown := [shown(name) for name in document if name != "rules"]:
            raise RulesError([f"{', '.join(unknown[:3])}: is not a field of the document; that is `rules`"])
        document = document.get("rules")
    if not isinstance(document, list) or not document:
        raise RulesError(["rules: a list of at least one rule is required"])
    if len(document) > MAX_RULES:
        raise RulesError([f"rules: are more than {MAX_RULES}"])
    return document


class _Status(StrEnum):
    ENABLED = "enabled"
    DISABLED = "disabled"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class _Source(_Model):
    bucket: SourceBucket | None = None
    buckets: Annotated[tuple[SourceBucket, ...], Field(min_length=1)] | None = None
    prefix: KeyPart = ""
    credentials: Secret | None = None
    role: Role | None = None
    request_payer: Boolean = False

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.bucket is None) is (self.buckets is None):
            raise ValueError("one of bucket and buckets is required")
        if self.credentials and self.role:
            raise ValueError("give credentials or role, not both")
        return self

    @property
    def all_buckets(self) -> frozenset[str]:
        return frozenset(self.buckets or [str(self.bucket)])

    @property
    def access(self) -> SourceAccess:
        return SourceAccess(self.credentials, self.role, self.request_payer)


class _Filter(_Model):
    prefix: KeyPart = ""
    suffix: KeyPart = ""
    glob: GlobText | None = None
    min_size: Size | None = None
    max_size: Size | None = None
    # An object has at most ten tags.
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=10)] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _some_size_passes(self) -> Self:
        if self.min_size is not None and self.max_size is not None and self.min_size > self.max_size:
            raise ValueError("min_size is more than max_size")
        return self

    @property
    def filter(self) -> Filter:
        return Filter(**dict(self))


class _Destination(_Model):
    bucket: DestinationBucket
    prefix: KeyPart | None = None
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] | None = None
    kms_key: KmsKey | None = None


class _RuleDocument(_Model):
    id: RuleId
    status: _Status = _Status.ENABLED
    priority: Integer = 0
    source: _Source
    filter: _Filter = _Filter()
    destination: _Destination
    deletes: Deletes = Deletes.IGNORE
    foreign: Foreign = Foreign.OVERWRITE
    parts: Parts = Parts.AUTO

    @model_validator(mode="after")
    def _some_key_passes(self) -> Self:
        shorter, longer = sorted((self.source.prefix, self.filter.prefix), key=len)
        if not longer.startswith(shorter):
            raise ValueError("filter.prefix: no key begins with it and with source.prefix")
        return self

    @property
    def rule(self) -> Rule:
        source, destination = self.source, self.destination
        return Rule(
            id=self.id,
            source_buckets=source.all_buckets,
            destination_bucket=destination.bucket,
            deletes=self.deletes,
            foreign=self.foreign,
            enabled=self.status is _Status.ENABLED,
            priority=self.priority,
            source_prefix=source.prefix,
            destination_prefix=source.prefix if destination.prefix is None else destination.prefix,
            filter=self.filter.filter,
            placement=Placement(destination.storage_class, destination.kms_key),
            access=source.access,
            parts=self.parts,
        )


def _id_of(item: object) -> str | None:
    """The id as it was written, if it can name the rule."""
    try:
        return _Identified.model_validate(item).id
    except ValidationError:
        return None


class _Identified(BaseModel):
    id: RuleId


def _label(position: int, item: object) -> str:
    found = _id_of(item)
    return f"rule {position}" if found is None else f"rule {shown(found)}"


def _repeated_ids(written: list[object]) -> Iterator[str]:
    first: dict[str, int] = {}
    for position, item in enumerate(written, start=1):
        found = _id_of(item)
        if found is not None and first.setdefault(found, position) != position:
            yield f"rule {position}: id: {shown(found)} is the id of rule {first[found]}, too"


_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a field that there is here",
    "string_type": "is not text",
    "model_type": "is not a mapping",
    "dict_type": "is not a mapping",
    "tuple_type": "is not a list",
    "too_short": "is empty",
    "too_long": "has too many entries",
}


def _sentence(problem: Any) -> str:
    """The field's path and what is wrong with it; names that somebody made up are shortened."""
    path = ".".join(part if len(part) <= 40 else f"{part[:40]}…" for part in map(str, problem["loc"]))
    message = _MESSAGES.get(problem["type"]) or str(problem["msg"]).removeprefix("Value error, ")
    message = message.replace("Input should be", "should be")
    return f"{path}: {message}" if path else message
