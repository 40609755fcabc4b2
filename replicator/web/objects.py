"""The doors to one destination object: its status, and its deletion."""

from collections.abc import Callable, Mapping
from time import perf_counter

from werkzeug.wrappers import Request, Response

from replicator.engine import Engine
from replicator.status import status_fields
from replicator.telemetry import Occasion, describe_request, log_outcome, outcome_fields
from replicator.web.answers import json_answer
from replicator.web.requests import ObjectQuery, read_query


class ObjectDoors:
    """The object is named by the path, or, since any character may be in a key, by the query."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._engine = engine

    def status(self, request: Request, **path: str) -> Response:
        """Whether a destination object is in sync, and the receipt it holds."""
        query = _read(request, path)
        return json_answer(200, status_fields(self._engine().status(query.name)))

    def delete(self, request: Request, **path: str) -> Response:
        """Deletes a replica, on condition that it is at `generation` if that is given, or else as it was just seen."""
        query, started = _read(request, path), perf_counter()
        outcome = self._engine().delete(query.name, query.generation)
        log_outcome(outcome, Occasion("object"), perf_counter() - started)
        return json_answer(200, outcome_fields(outcome))


def _read(request: Request, path: Mapping[str, str]) -> ObjectQuery:
    query = read_query(request, **path)
    describe_request(door="object", destination=str(query.name))
    return query
