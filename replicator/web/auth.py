"""Who may come in where no IAM stands before the service: whoever proves a known e-mail address."""

import re
from collections.abc import Collection, Mapping
from functools import partial

from werkzeug.wrappers import Request, Response

from replicator.errors import Permanent
from replicator.ports import IdentityTokens
from replicator.reasons import Reason
from replicator.telemetry import describe_request
from replicator.web.gate import Door
from replicator.web.routing import Handler

OPEN = frozenset(
    {
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/ready"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/docs/<asset>"),
    }
)
"""The doors that need no token; docs/security.md says why. Every other does, a new one as well."""


class Guard:
    """Lets callers in whose identity token is valid and of one of `emails`."""

    def __init__(self, tokens: IdentityTokens, emails: Collection[str]) -> None:
        self._tokens, self._emails = tokens, frozenset(emails)

    def before(self, handlers: Mapping[Door, Handler]) -> dict[Door, Handler]:
        """The handlers, each behind the guard unless its door is open."""
        return {door: handler if door in OPEN else partial(self._admit, handler) for door, handler in handlers.items()}

    def _admit(self, handler: Handler, request: Request, **named: str) -> Response:
        """Nothing is read of a request, but for its token, before it is let in."""
        email = self._tokens.verify(_token(request.headers.get("Authorization", "")))
        if email not in self._emails:
            raise Permanent(Reason.CALLER_NOT_ALLOWED, "email")
        describe_request(caller=email)
        return handler(request, **named)


def _token(header: str) -> str:
    """https://www.rfc-editor.org/rfc/rfc6750#section-2.1, where the token's letters are those that a JWT may have."""
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer":
        raise Permanent(Reason.TOKEN_MISSING)
    if not re.fullmatch(r" *[\w.-]+", token, re.ASCII):
        raise Permanent(Reason.TOKEN_INVALID, "form")
    return token.lstrip()
