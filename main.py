"""The functions-framework targets. One image serves both; `FUNCTION_TARGET` says which."""

import functions_framework
from flask import Request, current_app, request
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response

from replicator import bootstrap

bootstrap.check_configuration()


@functions_framework.http
def replicate(request: Request) -> Response:
    """Private: direct calls, Pub/Sub push and Eventarc."""
    return bootstrap.replicate_doors()(request)


@functions_framework.http
def ingest(request: Request) -> Response:
    """Public, guarded by a header secret: takes EventBridge's events and only publishes them."""
    return bootstrap.ingest_doors()(request)


def unrouted(_error: NotFound) -> Response:
    """The few paths that the framework does not pass on: those with a line feed, and a browser's own questions."""
    doors = bootstrap.ingest_doors if current_app.name == "ingest" else bootstrap.replicate_doors
    return doors()(request)


if current_app:  # the framework runs this module in its application's context
    current_app.register_error_handler(NotFound, unrouted)
