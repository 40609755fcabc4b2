"""One function serves every path, so routes are matched inside, and every error ends here."""

from collections.abc import Callable, Mapping
from functools import partial

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent, ReplicationError
from replicator.reasons import Reason
from replicator.telemetry import describe_request, log_error, log_unexpected, request_scope
from replicator.web.answers import error_answer, problem
from replicator.web.gate import Door, Gate
from replicator.web.requests import discard_rest

Handler = Callable[..., Response]


class _Key(BaseConverter):
    """The rest of the path as an object's key: it may begin or end with a slash, and have several in a row."""

    regex = "(?s:.+)"
    part_isolating = False


class Router:
    """Calls the handler of a (method, path), and turns whatever it raises into an answer without the error's text.

    What a path names in `<…>` is given to the handler by keyword; `<key:…>` takes the rest of the path. The
    `gate`, if there is one, is before all of them.
    """

    def __init__(self, handlers: Mapping[Door, Handler], gate: Gate | None = None) -> None:
        rules = [Rule(path, methods=[method], endpoint=(method, path)) for method, path in handlers]
        self._routes = Map(rules, strict_slashes=False, merge_slashes=False, converters={"key": _Key})
        self._handlers, self._gate = handlers, gate

    def __call__(self, request: Request) -> Response:
        with request_scope(request.headers.get("traceparent"), request.headers.get("X-Cloud-Trace-Context")):
            try:
                return _answered(partial(self._serve, request))
            finally:
                discard_rest(request)

    def _serve(self, request: Request) -> Response:
        endpoint, named = self._routes.bind("", path_info=_path(request)).match(method=request.method)
        describe_request(door=" ".join(endpoint))
        handle = partial(_answered, partial(self._handlers[endpoint], request, **named))
        return self._gate.serve(endpoint, handle) if self._gate else handle()


def _answered(handle: Callable[[], Response]) -> Response:
    try:
        return handle()
    except (NotFound, RequestRedirect):
        return error_answer(Permanent(Reason.ROUTE_UNKNOWN))
    except MethodNotAllowed as error:
        response = error_answer(Permanent(Reason.METHOD_NOT_ALLOWED))
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response
    except ReplicationError as error:
        log_error(error)
        return error_answer(error)
    except Exception as error:  # the last edge: the framework would show the error's text
        log_unexpected(error)
        return problem(500, Reason.UNEXPECTED)


def _path(request: Request) -> str:
    """Decoded strictly (PEP 3333): with replacement characters a key would be another one."""
    try:
        return str(request.environ.get("PATH_INFO", "")).encode("latin-1").decode()
    except UnicodeError:
        raise Permanent(Reason.REQUEST_MALFORMED, "the path is not UTF-8") from None
