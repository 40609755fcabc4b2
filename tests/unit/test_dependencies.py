"""What is installed is exactly what was locked, and what passes by the security rules says why."""

import importlib.metadata
import json
import os
import re
import subprocess
import sys
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


def direct() -> tuple[list[str], list[str]]:
    """The names in pyproject.toml: those of the service, and those of development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return tuple(
        [canonical(name) for name in names]
        for names in (project["dependencies"], project["optional-dependencies"]["dev"])
    )


def described() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The rows of the two tables of docs/dependencies.md."""
    tables = re.findall(r"((?:^\|.*\|\n)+)", (ROOT / "docs/dependencies.md").read_text(), re.MULTILINE)
    cells = [
        [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()] for table in tables
    ]
    service, development = ([dict(zip(rows[0], row, strict=True)) for row in rows[2:]] for rows in cells)
    return service, development


def test_each_direct_dependency_is_described_and_no_other():
    assert tuple([row["package"] for row in rows] for rows in described()) == direct()
    assert all(row["for"] for rows in described() for row in rows)


def test_the_licences_are_those_that_the_packages_have():
    for row in [row for rows in described() for row in rows]:
        about = importlib.metadata.metadata(row["package"])
        licence = about.get("License-Expression") or about.get("License")
        assert re.sub("^Apache (License )?2.0$", "Apache-2.0", licence) == row["licence"], row["package"]


STARTED = """
import json, sys
import functions_framework, replicator.server
functions_framework.create_app("replicate", "main.py", "http").test_client().get("/health")
print(json.dumps([name for name in sys.argv[1:] if name in sys.modules]))
"""


def test_what_is_loaded_at_start_is_what_is_said_to_be():
    """Each import costs a cold start its time."""
    modules = {row["imported as"].strip("`"): row["loaded"].startswith("at start") for row in described()[0]}
    settings = {"AUTH": "none", "HOST": "127.0.0.1", "SOURCE_S3_BUCKETS": "source", "TARGET_GCS_BUCKET": "replica"}
    ran = subprocess.run(
        [sys.executable, "-c", STARTED, *modules],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, **settings},
    )
    assert set(json.loads(ran.stdout.splitlines()[-1])) == {name for name, at_start in modules.items() if at_start}


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
