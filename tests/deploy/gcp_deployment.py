"""The scripts of `deploy/gcp/` under test: a configuration for them, and running them."""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
GCP = ROOT / "deploy" / "gcp"
BASH_SECONDS = 600


def configuration(folder: Path, **values: object) -> Path:
    """The example with some values replaced: what a person does to it."""
    changed = "".join(f"{name}={shlex.quote(str(value))}\n" for name, value in values.items())
    path = folder / "config.env"
    path.write_text((GCP / "config.example.env").read_text() + changed)
    return path


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    output: str
    errors: str


def script(name: str, arguments: Sequence[object], env: Mapping[str, str]) -> Ran:
    """Runs one of the scripts from another folder than its own."""
    command = [str(GCP / name), *map(str, arguments)]
    ran = subprocess.run(
        command, env=dict(env), cwd="/", capture_output=True, text=True, timeout=BASH_SECONDS, check=False
    )
    return Ran(ran.returncode, ran.stdout, ran.stderr)
