"""The door for several objects at once."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

from werkzeug.wrappers import Request, Response

from replicator.deadline import Deadline
from replicator.errors import Permanent
from replicator.telemetry import Occasion, log_error
from replicator.web.answers import direct_document, error_status, json_answer, problem_document
from replicator.web.calls import Calls
from replicator.web.requests import read_batch, read_body, read_direct, read_json

WORKERS = 4
"""Items of one batch that are replicated at once."""


class BatchDoor:
    """Every item is a direct call and has its own status: none hides another."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def replicate(self, request: Request) -> Response:
        """200 with a result for each item, in their order, once the batch itself is understood."""
        items, deadline = read_batch(read_json(read_body(request))), self._calls.new_deadline()
        with ThreadPoolExecutor(min(WORKERS, len(items))) as pool:
            running = [pool.submit(copy_context().run, self._replicate_item, item, deadline) for item in items]
            return json_answer(200, {"items": [future.result() for future in running]})

    def _replicate_item(self, item: object, deadline: Callable[[], Deadline]) -> Mapping[str, Any]:
        try:
            call = read_direct(item)
        except Permanent as error:
            log_error(error, Occasion("batch"))
            status = error_status(error)
            return problem_document(status, error.reason, error.detail)
        results = self._calls.replicate(call.source, call.occasion("batch"), deadline, call.to, dry_run=call.dry_run)
        status, document = direct_document(results)
        return {**document, "status": status}
