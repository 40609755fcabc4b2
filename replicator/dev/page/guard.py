"""Keeps foreign pages in the person's browser out: the page has no login, and any site may try to call loopback."""

from urllib.parse import urlsplit

from werkzeug.exceptions import Forbidden
from werkzeug.wrappers import Request

from replicator.settings import LOOPBACK

READING = frozenset({"GET", "HEAD"})

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""In every answer. A key that would be markup could do nothing, and no other site may frame the page."""


def admit(request: Request, own_host: str) -> None:
    """Raises `Forbidden` unless the request is for loopback, or `own_host`, and comes from the page itself.

    The name in `Host` is the attacker's own where a foreign name was made to resolve to loopback (DNS rebinding). The
    port may be any: a container or a tunnel publishes another. A write must name its origin, as every browser does; a
    script has S3 itself.
    """
    host = request.headers.get("Host", "")
    if _name(host) not in LOOPBACK | {own_host}:
        raise Forbidden("This page is reached by its loopback address only.")
    origin = request.headers.get("Origin")
    if origin is None and request.method in READING:
        return
    if origin != f"http://{host}":
        raise Forbidden("Only the page itself may ask for this.")


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
