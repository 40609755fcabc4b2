"""The doors that say what the others are: the OpenAPI description, and the page that shows it."""

from collections.abc import Callable
from functools import cache

from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent
from replicator.reasons import Reason
from replicator.web.answers import json_answer
from replicator.web.assets import ASSETS, PAGE, Asset
from replicator.web.openapi import Service, describe

HEADERS = {
    # Swagger UI sets styles by script and draws its icons from data URLs.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=3600",
}
"""The page runs with its visitor's rights: nothing may be loaded, or sent, anywhere else."""

_read = cache(Asset.read)


def openapi(service: Service) -> Callable[[Request], Response]:
    """The handler that answers a target's description, made when it is first asked for."""
    described = cache(lambda: describe(service))
    return lambda _request: json_answer(200, described())


def docs(request: Request) -> Response:
    """Swagger UI on our own description."""
    return _file(request, PAGE)


def docs_asset(request: Request, asset: str) -> Response:
    """Raises `Permanent(route_unknown)` for anything but the files of the page."""
    if asset not in ASSETS:
        raise Permanent(Reason.ROUTE_UNKNOWN)
    return _file(request, ASSETS[asset])


def _file(request: Request, asset: Asset) -> Response:
    response = Response(_read(asset), mimetype=asset.media_type, headers=HEADERS)
    response.add_etag()
    return response.make_conditional(request)
