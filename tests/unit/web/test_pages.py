"""The page at /docs: its few files, and nothing else."""

import re

import pytest

from replicator.web.assets import ASSETS, PAGE
from tests.unit.web.doors import Service

TYPES = {"js": "text/javascript", "css": "text/css", "png": "image/png"}


@pytest.fixture
def client():
    return Service().client


def test_the_page_refers_only_to_its_own_files_and_runs_no_script_of_its_own(client):
    answer = client.get("/docs")
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    referred = re.findall(r'(?:src|href)="([^"]*)"', answer.text)
    assert sorted(referred) == sorted(f"/docs/{name}" for name in ASSETS)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", answer.text) == ["", ""]
    assert "style=" not in answer.text


@pytest.mark.parametrize("name", ASSETS)
def test_a_file_has_its_type_and_may_be_kept_for_a_while(client, name):
    answer = client.get(f"/docs/{name}")
    assert (answer.status_code, answer.mimetype) == (200, TYPES[name.rpartition(".")[2]])
    assert len(answer.data) > 100
    assert answer.headers["Cache-Control"] == "private, max-age=3600"
    again = client.get(f"/docs/{name}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("path", ["/docs", *(f"/docs/{name}" for name in ASSETS)])
def test_nothing_may_be_loaded_from_elsewhere(client, path):
    headers = client.get(path).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "script-src" not in policy
    assert not any("http" in sources or "*" in sources for sources in policy.values())
    assert (policy["frame-ancestors"], headers["X-Content-Type-Options"]) == ("'none'", "nosniff")


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "docs.html", "swagger-editor.js", "LICENSE", "../__init__.py", "..%2f__init__.py"),
        *("..", ".", "%2e%2e", "page/docs.js", "..%5c__init__.py", "docs.js%00", "/etc/passwd", "%2fetc%2fpasswd"),
        *("swagger-ui-bundle.js/../../core.py", "docs.js.map"),
    ],
)
def test_no_other_file_is_served(client, name):
    answer = client.get(f"/docs/{name}")
    assert (answer.status_code, answer.json["reason"]) == (404, "route_unknown")


def test_the_files_are_the_packages_own():
    assert b"SwaggerUIBundle" in ASSETS["swagger-ui-bundle.js"].read()
    assert b"swagger-ui-bundle.js" in PAGE.read()


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/docs.js"])
def test_the_description_needs_no_engine(path):
    service = Service()
    assert service.client.get(path).status_code == 200
    assert service.client.head(path).status_code == 200
    assert service.built == 0
