"""The only reader of the environment in this package."""

import os
from pathlib import Path

INHERITED = ("LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TMPDIR")


def replica_root() -> Path:
    """The folder in which the destination bucket's own folder appears."""
    return Path(os.environ.get("LOCAL_GCS_PATH") or "local")


def inherited() -> dict[str, str]:
    """What a service may know of this machine: no credentials, no profile, no proxy, nobody's real project."""
    return {name: os.environ[name] for name in INHERITED if name in os.environ}
