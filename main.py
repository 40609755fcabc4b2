"""The functions-framework targets. One image serves both; `FUNCTION_TARGET` says which."""

import functions_framework
from flask import Request
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
