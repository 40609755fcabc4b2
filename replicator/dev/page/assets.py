"""The files that make the page, by the paths they are served at; no other file ever is."""

from pathlib import Path

from werkzeug.wrappers import Response

FOLDER = Path(__file__).parent / "assets"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
FILES = {"page.html", "page.css", "page.js", "buckets.js", "outcomes.js", "text.js", "icon.svg"}


def asset(name: str) -> Response:
    """Raises `KeyError` for anything that is not part of the page."""
    if name not in FILES:
        raise KeyError(name)
    file = FOLDER / name
    return Response(file.read_bytes(), content_type=f"{TYPES[file.suffix]}; charset=utf-8")
