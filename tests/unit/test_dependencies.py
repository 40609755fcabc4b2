"""What is installed is exactly what was locked, and what passes by the security rules says why."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = ("requirements.txt", "requirements-dev.txt")


def requirements(name: str) -> list[str]:
    """The lines of a locked file that name a package or an option."""
    lines = (line.strip() for line in (ROOT / name).read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def pinned(name: str) -> dict[str, str]:
    return dict(line.split("==") for line in requirements(name))


def canonical(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


@pytest.mark.parametrize("name", [*LOCKED, "tests/bench/requirements.txt"])
def test_every_requirement_is_pinned_exactly(name):
    """No range, no URL, no option that names another index."""
    loose = [line for line in requirements(name) if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][a-z0-9.]*", line)]
    assert requirements(name)
    assert loose == []


def test_every_direct_dependency_is_locked():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert {canonical(name) for name in project["dependencies"]} <= set(pinned("requirements.txt"))
    assert {canonical(name) for name in project["optional-dependencies"]["dev"]} <= set(pinned("requirements-dev.txt"))


def test_what_is_tested_is_what_is_deployed():
    assert pinned("requirements.txt").items() <= pinned("requirements-dev.txt").items()


def exceptions(folder: str) -> list[tuple[str, str]]:
    """Where a security rule does not apply, and what stands behind it as the reason."""
    found = []
    for file in [*(ROOT / folder).rglob("*.py"), ROOT / "main.py"]:
        for line in file.read_text().splitlines():
            if exception := re.search(r"# noqa: [A-Z0-9, ]*\bS\d{3}\b(.*)", line):
                found.append((file.relative_to(ROOT).as_posix(), exception[1].strip(" -")))
    return found


def test_every_exception_from_the_security_rules_says_why():
    assert exceptions("replicator")
    assert [where for where, why in exceptions("replicator") if len(why) < 5] == []


def test_the_service_itself_has_three():
    """A new one is to be looked at by a second person."""
    outside_the_local_stack = [where for where, _ in exceptions("replicator") if "/dev/" not in where]
    assert sorted(outside_the_local_stack) == [
        "replicator/rules/fields.py",
        "replicator/settings.py",
        "replicator/web/requests.py",
    ]
