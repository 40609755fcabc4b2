"""The commands that are programs of their own, run in this very process: its signals and exit code are theirs."""

import runpy
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

MAIN = Path(__file__).resolve().parents[2] / "main.py"
"""What functions-framework loads; otherwise it looks for it in the working directory."""


def serve(target: str) -> None:
    """One function target under gunicorn, as in the container."""
    application = f"functions_framework:create_app(target={str(target)!r}, source={str(MAIN)!r})"
    _become("gunicorn", ["--config", "python:replicator.server", application])


def can_develop() -> bool:
    """Whether the stack for development is here: the image of the service is without it."""
    return find_spec("replicator.dev") is not None


def develop(arguments: Sequence[str]) -> None:
    """The stack for development. Nothing imports it: it is no part of what is deployed."""
    _become("replicator.dev", arguments)


def _become(module: str, arguments: Sequence[str]) -> None:
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
