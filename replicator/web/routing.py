"""One function serves every path, so routes are matched inside, and every error ends here."""

from collections.abc import Callable, Mapping

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import Map, RequestRedirect, Rule
from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent, ReplicationError
from replicator.reasons import Reason
from replicator.telemetry import Occasion, log_failure, log_unexpected
from replicator.web.answers import error_answer, problem

Handler = Callable[[Request], Response]


class Router:
    """Calls the handler of a (method, path), and turns whatever it raises into an answer without the error's text."""

    def __init__(self, handlers: Mapping[tuple[str, str], Handler]) -> None:
        rules = [Rule(path, methods=[method], endpoint=(method, path)) for method, path in handlers]
        self._routes = Map(rules, strict_slashes=False, merge_slashes=False)
        self._handlers = handlers

    def __call__(self, request: Request) -> Response:
        try:
            endpoint, _ = self._routes.bind("", path_info=request.path).match(method=request.method)
            return self._handlers[endpoint](request)
        except (NotFound, RequestRedirect):
            return error_answer(Permanent(Reason.ROUTE_UNKNOWN))
        except MethodNotAllowed as error:
            response = error_answer(Permanent(Reason.METHOD_NOT_ALLOWED))
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
            return response
        except ReplicationError as error:
            log_failure(error, None, Occasion(request.path), 0.0)
            return error_answer(error)
        except Exception as error:  # the last edge: the framework would show the error's text
            log_unexpected(error)
            return problem(500, Reason.UNEXPECTED)
