"""Where things are, and what the processes of a run may know of this machine."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from replicator.dev import environment

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PEERS = ROOT / ".venv-bench" / "bin"
"""The peers' virtual environment (`make bench` makes it): they are no dependency of the project."""

PYTHON = sys.executable
PEERS_PYTHON = str(PEERS / "python")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  not a guessable name in it: a fresh folder


def found(command: str) -> str | None:
    """The path of a peer's command: from its own environment, or else wherever it is installed."""
    return shutil.which(command, path=str(PEERS)) or shutil.which(command)


def base_environment() -> dict[str, str]:
    """No credentials, no profile, no proxy, nobody's real project."""
    return {**environment.inherited(), "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"}


@contextmanager
def working_folder(room: int) -> Iterator[Path]:
    """A fresh folder for a run: in memory where `room` bytes and half as much again fit there, else on the disk."""
    in_memory = SHARED_MEMORY.is_dir() and shutil.disk_usage(SHARED_MEMORY).free > room * 3 // 2
    with TemporaryDirectory(prefix="replicator-bench-", dir=SHARED_MEMORY if in_memory else None) as folder:
        if shutil.disk_usage(folder).free < room:
            raise SystemExit(f"{os.path.dirname(folder)}: {room >> 20} MiB are needed there")
        yield Path(folder)
