"""What the OpenAPI description says of the guard."""

from dataclasses import replace

from replicator.reasons import Reason
from replicator.web.auth import OPEN
from replicator.web.openapi import Service

TOKEN_REASONS = frozenset(
    {
        Reason.TOKEN_MISSING,
        Reason.TOKEN_INVALID,
        Reason.TOKEN_EXPIRED,
        Reason.CALLER_NOT_ALLOWED,
        Reason.CERTIFICATES_UNAVAILABLE,
    }
)
"""Why somebody is not let in, or not now."""

SCHEME = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An identity token that Google signed, for one of this service's audiences.",
}


def guarded(service: Service) -> Service:
    """The same doors, with the guard before all but the open ones."""
    operations = {
        door: operation
        if door in OPEN
        else replace(operation, errors=operation.errors | TOKEN_REASONS, security="googleIdentity")
        for door, operation in service.operations.items()
    }
    return replace(service, operations=operations, security={**service.security, "googleIdentity": SCHEME})
