"""The files of the page at /docs: Swagger UI's, from the package that bundles them, and our own two."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Asset:
    """A file in a package."""

    package: str
    path: str
    media_type: str

    def read(self) -> bytes:
        return resources.files(self.package).joinpath(self.path).read_bytes()


PAGE = Asset("replicator.web", "page/docs.html", "text/html")

ASSETS: Mapping[str, Asset] = {
    "docs.js": Asset("replicator.web", "page/docs.js", "text/javascript"),
    "swagger-ui-bundle.js": Asset("swagger_ui", "static/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": Asset("swagger_ui", "static/swagger-ui.css", "text/css"),
    "favicon-32x32.png": Asset("swagger_ui", "static/favicon-32x32.png", "image/png"),
}
"""Nothing else is served: a name that is not here names nothing."""
