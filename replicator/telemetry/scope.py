"""The request that a line belongs to: its trace and what else is known of it, in every line logged meanwhile.

The scope is a context variable: a thread that works for a request is started with `copy_context().run`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from replicator.telemetry.trace import Trace, read_trace


@dataclass(frozen=True, slots=True)
class Scope:
    """One request. `fields` are those of its lines, beside the trace."""

    trace: Trace | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


_NONE = Scope()
_current: ContextVar[Scope] = ContextVar("request scope", default=_NONE)


def current_scope() -> Scope:
    """The scope of this thread's request; an empty one outside of a request."""
    return _current.get()


@contextmanager
def request_scope(traceparent: str | None, cloud_trace_context: str | None) -> Iterator[None]:
    """Everything logged inside belongs to one request: to the trace that a header names, or else to an id of ours."""
    trace = read_trace(traceparent, cloud_trace_context)
    token = _current.set(Scope(trace, {} if trace else {"request_id": uuid4().hex}))
    try:
        yield
    finally:
        _current.reset(token)


def describe_request(**fields: str | int | None) -> None:
    """Adds what has become known of the request to the lines that follow. It must be no secret, and short."""
    scope = _current.get()
    known = {name: value for name, value in fields.items() if value is not None}
    _current.set(replace(scope, fields={**scope.fields, **known}))
