"""The functions-framework targets. One image serves both; `FUNCTION_TARGET` says which."""

import functions_framework
from flask import Request, current_app, request
from werkzeug.exceptions import HTTPException
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


def unrouted(_error: HTTPException) -> Response:
    """What the framework does not pass on: paths with a line feed, a browser's own questions, and who asks for a
    WebSocket."""
    doors = bootstrap.ingest_doors if current_app.name == "ingest" else bootstrap.replicate_doors
    return doors()(request)


if current_app:  # the framework runs this module in its application's context
    current_app.register_error_handler(HTTPException, unrouted)
