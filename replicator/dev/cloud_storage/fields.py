"""Partial answers: `fields=a,b/c,items(name,size)` selects what of a resource is sent.

https://cloud.google.com/storage/docs/json_api#partial-response
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from replicator.dev.cloud_storage.messages import JsonObject, Request, Response, invalid

_TOKEN = re.compile(r"[A-Za-z0-9_*-]+|[,/()]")
Selection = Mapping[str, "Selection | None"]
"""The fields that are sent, each with what of it is; `None` is all."""


def answer(request: Request, resource: JsonObject) -> Response:
    """The resource, or the part of it that the request selects. Raises ApiError (400)."""
    return Response.of_json(select(resource, request.param("fields")))


def select(resource: Mapping[str, Any], fields: str | None) -> Mapping[str, Any]:
    """The part of `resource` that was asked for; without `fields` all of it. Raises ApiError (400)."""
    if fields is None:
        return resource
    tokens = _TOKEN.findall(fields)
    if "".join(tokens) != fields:
        raise _invalid(fields)
    rest = iter([*tokens, ""])
    selection, last = _selection(rest, fields)
    if last != "":
        raise _invalid(fields)
    selected: Mapping[str, Any] = _selected(resource, selection)
    return selected


def _selection(tokens: Iterator[str], fields: str) -> tuple[Selection, str]:
    """Reads up to the end or to a bracket that was opened before; returns also the token that ended it."""
    selection: dict[str, Selection | None] = {}
    while True:
        within, end = _one(tokens, fields)
        selection.update(within)
        if end != ",":
            return selection, end


def _one(tokens: Iterator[str], fields: str) -> tuple[Selection, str]:
    name, following = next(tokens, ""), next(tokens, "")
    if not name or name in ",/()":
        raise _invalid(fields)
    if following == "/":
        inner, end = _one(tokens, fields)
        return {name: inner}, end
    if following == "(":
        inner, end = _selection(tokens, fields)
        if end != ")":
            raise _invalid(fields)
        return {name: inner}, next(tokens, "")
    return {name: None}, following


def _selected(value: Any, selection: Selection | None) -> Any:
    if selection is None or "*" in selection:
        return value
    if isinstance(value, list):
        return [_selected(item, selection) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {name: _selected(value[name], inner) for name, inner in selection.items() if name in value}


def _invalid(fields: str) -> Exception:
    return invalid(f"Invalid field selection {fields!r}")
