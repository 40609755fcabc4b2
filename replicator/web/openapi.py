"""The OpenAPI 3.1 description of the doors, made from what they themselves use: models, reasons and their statuses.

https://spec.openapis.org/oas/v3.1.1.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from replicator.reasons import Reason
from replicator.web.answers import (
    CHALLENGES,
    ERROR_STATUSES,
    OUTCOMES_THAT_ARE_PROBLEMS,
    PROBLEM,
    RETRY_AFTER_SECONDS,
    Document,
    problem_document,
)
from replicator.web.schemas import Problem

JSON = "application/json"
SCHEMAS = "#/components/schemas/"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation answers when all is well: a model's JSON, text of another media type, or nothing."""

    description: str
    model: type[BaseModel] | None = None
    example: Document | None = None
    media_types: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Body:
    """What an operation takes: one of several schemas, with examples by name."""

    description: str
    schemas: Sequence[str]
    examples: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one door."""

    id: str
    tag: str
    summary: str
    description: str
    answers: Mapping[int, Answer]
    errors: frozenset[Reason] = frozenset()
    parameters: Sequence[Document] = ()
    body: Body | None = None
    security: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """All operations of one target, by method and path as the router has them, and the models in their bodies."""

    title: str
    description: str
    operations: Mapping[tuple[str, str], Operation]
    models: Sequence[type[BaseModel]] = ()
    schemas: Mapping[str, Document] = field(default_factory=dict)
    security: Mapping[str, Document] = field(default_factory=dict)


def describe(service: Service) -> Document:
    """The whole description."""
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in service.operations.items():
        paths.setdefault(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path), {})[method.lower()] = _operation(operation)
    answers = [answer for operation in service.operations.values() for answer in operation.answers.values()]
    models: list[type[BaseModel]] = [Problem, *service.models, *(answer.model for answer in answers if answer.model)]
    described: dict[str, Any] = {
        "openapi": "3.1.1",
        "info": {"title": service.title, "version": "1", "description": service.description},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": dict(sorted({**_schemas(models), **service.schemas}.items()))},
    }
    if service.security:
        described["components"]["securitySchemes"] = dict(service.security)
    return described


class _Generator(GenerateJsonSchema):
    """Leaves out what pydantic adds: a title that repeats each name, and null as default of what is absent."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002
        return False

    def default_schema(self, schema: Any) -> dict[str, Any]:
        described = super().default_schema(schema)
        return {name: value for name, value in described.items() if (name, value) != ("default", None)}


def _schemas(models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    _, described = models_json_schema(
        [(model, "validation") for model in models], ref_template=SCHEMAS + "{model}", schema_generator=_Generator
    )
    schemas: dict[str, Any] = described["$defs"]
    schemas["Reason"]["description"] = _explained("Why.", Reason)
    return schemas


def _operation(operation: Operation) -> Document:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "responses": _responses(operation),
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.security:
        described["security"] = [{operation.security: []}]
    if body := operation.body:
        schemas = [_reference(name) for name in body.schemas]
        examples = {name: {"value": value} for name, value in body.examples.items()}
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        described["requestBody"] = {
            "description": body.description,
            "required": True,
            "content": {JSON: {"schema": schema, "examples": examples}},
        }
    return described


def _responses(operation: Operation) -> Document:
    by_status: dict[int, dict[str, Any]] = {}
    for status, answer in operation.answers.items():
        response = by_status.setdefault(status, {"description": answer.description})
        if answer.model:
            shown = {"example": answer.example} if answer.example else {}
            response["content"] = {JSON: {"schema": _reference(answer.model.__name__), **shown}}
        elif answer.media_types:
            response["content"] = {media_type: {"schema": {"type": "string"}} for media_type in answer.media_types}
    reasons_by_status: dict[int, set[Reason]] = {}
    for reason in operation.errors:
        status = OUTCOMES_THAT_ARE_PROBLEMS.get(reason) or ERROR_STATUSES[reason]
        reasons_by_status.setdefault(status, set()).add(reason)
    for status, reasons in reasons_by_status.items():
        phrase = HTTPStatus(status).phrase
        response = by_status.setdefault(status, {"description": _explained(f"{phrase}:", reasons)})
        example = problem_document(status, min(reasons, key=str))
        response.setdefault("content", {})[PROBLEM] = {"schema": _problem(status, reasons), "example": example}
    if HTTPStatus.SERVICE_UNAVAILABLE in by_status:
        by_status[HTTPStatus.SERVICE_UNAVAILABLE]["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait.",
                "required": True,
                "schema": {"type": "integer", "const": RETRY_AFTER_SECONDS},
            }
        }
    if HTTPStatus.UNAUTHORIZED in by_status:
        by_status[HTTPStatus.UNAUTHORIZED]["headers"] = {
            "WWW-Authenticate": {
                "description": "What is wanted.",
                "required": True,
                "schema": {"type": "string", "enum": sorted(set(CHALLENGES.values()))},
            }
        }
    return {str(int(status)): response for status, response in sorted(by_status.items())}


def _problem(status: int, reasons: Iterable[Reason]) -> Document:
    narrowed = {"status": {"const": status}, "reason": {"enum": sorted(map(str, reasons))}}
    return {"allOf": [_reference("Problem"), {"properties": narrowed}]}


def _reference(name: str) -> Document:
    return {"$ref": SCHEMAS + name}


def _explained(heading: str, reasons: Iterable[Reason]) -> str:
    return "\n".join([heading, "", *(f"- `{reason}`: {reason.explanation}" for reason in sorted(reasons, key=str))])
