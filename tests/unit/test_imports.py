"""Imports point one way: the core knows neither HTTP, nor SDKs, nor the environment."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

LAYERS = [
    {"main", "replicator.__main__"},
    {"replicator.server", "replicator.cli"},
    {"replicator.bootstrap"},
    {"replicator.web"},
    {"replicator.dead_letters", "replicator.doctor"},
    {"replicator.engine"},
    {"replicator.explain"},
    {"replicator.reconcile", "replicator.status"},
    {"replicator.transfer", "replicator.decide"},
    {"replicator.telemetry", "replicator.settings"},
    {"replicator.fidelity"},
    {"replicator.events", "replicator.rules", "replicator.ports", "replicator.receipt", "replicator.deadline"},
    {"replicator.model"},
    {"replicator.ending"},
    {"replicator.errors"},
    {"replicator.reasons", "replicator.once", "replicator.crc"},
]
"""From the outside in. A module may import its own layer and those below it, never one above it."""

BESIDE = {"replicator.adapters", "replicator.dev"}
"""Not in the layers: what they may import, and who may import them, is said below."""

ONLY = {
    "replicator.events": {"replicator.events", "replicator.model", "replicator.errors", "replicator.reasons"},
    "replicator.rules": {"replicator.rules", "replicator.model", "replicator.errors", "replicator.reasons"},
    "replicator.adapters": {
        "replicator.adapters.aws_data",
        "replicator.adapters.gcs",
        "replicator.adapters.gcs_connections",
        "replicator.adapters.gcs_facts",
        "replicator.adapters.gcs_insert",
        "replicator.adapters.gcs_requests",
        "replicator.adapters.gcs_resource",
        "replicator.adapters.gcs_upload",
        "replicator.adapters.pubsub",
        "replicator.adapters.s3_body",
        "replicator.adapters.s3_credentials",
        "replicator.adapters.s3_errors",
        "replicator.adapters.s3_object",
        "replicator.adapters.s3_parts",
        "replicator.adapters.s3_requests",
        "replicator.adapters.s3_signature",
        "replicator.adapters.s3_text",
        "replicator.crc",
        "replicator.doctor.facts",
        "replicator.ports",
        "replicator.model",
        "replicator.errors",
        "replicator.reasons",
        "replicator.receipt",
    },
}
"""All of the project that a package may import. Within adapters, those of one service share modules."""

RESERVED = {
    "replicator.adapters": ("replicator.bootstrap", "replicator.adapters", "replicator.dev"),
    "replicator.dev": ("replicator.dev",),
    "boto3": ("replicator.adapters.s3", "replicator.dev"),
    "botocore": (
        "replicator.adapters.aws_data",
        "replicator.adapters.inspection",
        "replicator.adapters.s3",
        "replicator.adapters.s3_body",
        "replicator.adapters.s3_credentials",
        "replicator.adapters.s3_errors",
        "replicator.adapters.s3_parts",
        "replicator.adapters.s3_requests",
        "replicator.adapters.s3_signature",
        "replicator.adapters.sts",
        "replicator.dev",
    ),
    "mypy_boto3_s3": (
        "replicator.adapters.inspection.s3",
        "replicator.adapters.s3",
        "replicator.adapters.s3_parts",
        "replicator.adapters.s3_requests",
        "replicator.dev",
    ),
    "google.cloud.storage": ("replicator.adapters.gcs", "replicator.dev"),
    "google.cloud.secretmanager": ("replicator.adapters.secrets", "replicator.dev"),
    "google.pubsub_v1": ("replicator.adapters.pubsub", "replicator.dev"),
    "google.cloud.pubsub_v1": (
        "replicator.adapters.pubsub_dead_letters",
        "replicator.adapters.inspection.pubsub",
        "replicator.dev",
    ),
    "grpc": ("replicator.adapters.pubsub", "replicator.adapters.pubsub_dead_letters", "replicator.dev"),
    "google.api_core": ("replicator.adapters", "replicator.dev"),
    "google.auth": ("replicator.adapters", "replicator.dev"),
    "google.cloud.monitoring_v3": ("replicator.telemetry.export",),
    "opentelemetry": ("replicator.telemetry.metrics", "replicator.telemetry.export"),
    "google.oauth2": ("replicator.adapters.google_identity", "replicator.dev"),
    "requests": ("replicator.adapters", "replicator.dev"),
    "urllib3": ("replicator.adapters", "replicator.dev"),
    "werkzeug": ("replicator.web", "main", "replicator.dev"),
    "flask": ("replicator.web", "main", "replicator.dev"),
    "functions_framework": ("main", "replicator.dev"),
    "gunicorn": ("replicator.web.worker",),
    "click": ("replicator.cli",),
    "yaml": ("replicator.rules.syntax",),
    "dotenv": ("replicator.settings", "replicator.dev"),
    "os": ("replicator.dev",),
}
"""Who alone may import it. Without `os` nobody reads the environment but `settings`, through pydantic."""


# --- Reading the code -------------------------------------------------------------------------------------------------


def modules() -> dict[str, str]:
    """Every module of the project, by its name, with its source."""
    files = [ROOT / "main.py", *sorted((ROOT / "replicator").rglob("*.py"))]
    return {name_of(file): file.read_text() for file in files}


def name_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(module: str, source: str) -> Iterator[str]:
    """The full names of what a module imports, wherever in it, also only for type checking.

    `from a import b` counts as `a.b`, which is right for a module and does no harm for anything else.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(filter(None, [*module.split(".")[: -node.level], node.module])) if node.level else node.module
            )
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def layer_of(module: str) -> int | None:
    return next((number for number, layer in enumerate(LAYERS) if any(is_within(module, name) for name in layer)), None)


def violations(sources: dict[str, str]) -> list[str]:
    """What is imported where it must not be, as "importer -> imported"."""
    return [
        f"{module} -> {imported}"
        for module, source in sources.items()
        for imported in imports(module, source)
        if not (
            keeps_to_layers(module, imported)
            and keeps_to_what_is_allowed(module, imported)
            and is_open(module, imported)
        )
    ]


def keeps_to_layers(module: str, imported: str) -> bool:
    own, other = layer_of(module), layer_of(imported)
    if own is None or other is None:
        return True
    return own < other or (own == other and is_same_package(module, imported, LAYERS[own]))


def is_same_package(module: str, imported: str, layer: Iterable[str]) -> bool:
    """Modules of one layer that are not one package may know each other too, but for the outermost."""
    return len(set(layer)) > 1 or any(is_within(module, name) and is_within(imported, name) for name in layer)


def keeps_to_what_is_allowed(module: str, imported: str) -> bool:
    if imported.partition(".")[0] not in ("replicator", "main"):
        return True
    return all(
        any(is_within(imported, name) for name in allowed)
        for package, allowed in ONLY.items()
        if is_within(module, package)
    )


def is_open(module: str, imported: str) -> bool:
    return all(
        any(is_within(module, name) or (name.endswith(".gcs") and module.startswith(f"{name}_")) for name in importers)
        for package, importers in RESERVED.items()
        if is_within(imported, package)
    )


# --- The rule ---------------------------------------------------------------------------------------------------------


def test_imports_point_one_way():
    assert violations(modules()) == []


def test_every_module_has_its_place():
    outside = [
        name
        for name in modules()
        if name != "replicator" and layer_of(name) is None and not any(is_within(name, beside) for beside in BESIDE)
    ]
    assert outside == []


def test_the_modules_were_found():
    assert {"main", "replicator.engine", "replicator.adapters.s3", "replicator.web.replicate"} <= set(modules())


def test_nothing_reads_the_environment_but_settings():
    """Neither through `os`, nor through anything else that is imported for it."""
    readers = {
        module
        for module, source in modules().items()
        if not is_within(module, "replicator.dev") and ("environ" in names(source) or "getenv" in names(source))
    }
    assert readers == set()


def names(source: str) -> set[str]:
    found = [node for node in ast.walk(ast.parse(source)) if not is_of_request(node)]
    return {node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in found}


def is_of_request(node: ast.AST) -> bool:
    """`request.environ` is WSGI's, and holds a request."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "request"


# --- The rule can fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("replicator.reasons", "from replicator.model import SourceKey"),
        ("replicator.errors", "import replicator.engine"),
        ("replicator.model", "from replicator.ports import Source"),
        ("replicator.ports", "from replicator.transfer import Transfer"),
        ("replicator.transfer.whole", "from replicator.reconcile import Reconciler"),
        ("replicator.transfer.whole", "from ..reconcile import Reconciler"),
        ("replicator.reconcile", "from replicator.engine import Engine"),
        ("replicator.engine", "from replicator.web.answers import problem"),
        ("replicator.engine", "from replicator import web"),
        ("replicator.web.answers", "from replicator.bootstrap import ingest_doors"),
        ("replicator.bootstrap", "import main"),
        ("replicator.bootstrap", "from replicator.cli import main"),
        ("replicator.cli.processes", "from replicator.dev.command import main"),
        ("replicator.cli.command", "from replicator.adapters import s3"),
        ("replicator.explain", "from replicator.engine import Engine"),
        ("replicator.engine", "import click"),
        ("replicator.events.parser", "from replicator.rules import Rule"),
        ("replicator.rules", "from replicator.receipt import decode"),
        ("replicator.rules", "from replicator.events import parse"),
        ("replicator.adapters.s3", "from replicator.transfer import Transfer"),
        ("replicator.adapters.s3", "from replicator.deadline import Deadline"),
        ("replicator.adapters.s3", "from replicator.adapters.secrets import connect"),
        ("replicator.reconcile", "from replicator.adapters.s3 import S3Source"),
        ("replicator.web.replicate", "def f():\n    from replicator.adapters import gcs"),
        ("replicator.engine", "import boto3"),
        ("replicator.adapters.gcs", "import botocore.exceptions"),
        ("replicator.adapters.s3", "from google.cloud import storage"),
        ("replicator.adapters.s3", "import google.cloud.storage.blob"),
        ("replicator.bootstrap", "from google.cloud import secretmanager"),
        ("replicator.transfer.stream", "import requests"),
        ("replicator.reconcile", "from google.api_core import exceptions"),
        ("replicator.telemetry", "from flask import request"),
        ("replicator.engine", "if TYPE_CHECKING:\n    from werkzeug.wrappers import Request"),
        ("replicator.telemetry.outcomes", "from opentelemetry import metrics"),
        ("replicator.web.calls", "import opentelemetry.sdk.metrics"),
        ("replicator.bootstrap", "from google.cloud.monitoring_v3 import MetricServiceClient"),
        ("replicator.telemetry", "import os"),
        ("replicator.web.ingest", "from os import environ"),
        ("replicator.engine", "import os.path"),
        ("replicator.bootstrap", "from replicator.dev.cloud_storage import CloudStorageServer"),
        ("main", "from replicator import dev"),
    ],
)
def test_a_made_up_violation_is_found(module, line):
    assert len(violations({module: line})) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("replicator.bootstrap", "from replicator.adapters import gcs, s3"),
        ("replicator.adapters.gcs", "from replicator.adapters.gcs_upload import GcsUploadSession"),
        ("replicator.adapters.gcs_upload", "import urllib3"),
        ("replicator.web.replicate", "from replicator.engine import Engine"),
        ("replicator.web.replicate", "from werkzeug.wrappers import Request"),
        ("replicator.dev.command", "import os"),
        ("replicator.dev.command", "from replicator.engine import Engine"),
        ("replicator.transfer.stream", "from replicator.transfer.checksums import Digest"),
        ("replicator.events.parser", "from replicator.events.fields import decode_json"),
        ("replicator.engine", "import oslo"),
        ("main", "from flask import Request"),
    ],
)
def test_what_is_allowed_is_not_a_violation(module, line):
    assert violations({module: line}) == []


def test_a_reader_of_the_environment_would_be_found():
    assert "environ" in names("import os as o\no.environ['X']")
    assert "getenv" in names("from os import getenv\ngetenv('X')")
