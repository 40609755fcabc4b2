"""README's three rules with three destinations, as a new user tries them.

There can be one stack in a process at a time, so this is apart from README's other examples.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from replicator.dev import environment
from replicator.dev.rules import SOURCE_BUCKET, read_rules
from replicator.dev.samples import put_all
from replicator.dev.stack import Stack

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CONSOLE = re.findall(r"```console\n\$ bin/replicator ([^\n]*)\n(.*?)```", README, re.DOTALL)
OF_ONE_RUN = re.compile(r"(?<=generation )\d+|(?<=modified )[\d:T+-]+")


@pytest.fixture(scope="module")
def stack_with_rules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rules.yaml").write_text(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1])
    with Stack(folder / "local", rules=read_rules(folder / "rules.yaml")) as running:
        put_all(running.s3, SOURCE_BUCKET)
        assert running.settle(30)
        yield running


def test_the_readme_has_commands_to_try():
    assert len(CONSOLE) == README.count("```console") >= 1


@pytest.mark.parametrize(("command", "expected"), CONSOLE)
def test_the_rules_of_the_readme_are_explained_as_it_says(stack_with_rules, tmp_path, command, expected):
    done = subprocess.run(
        [sys.executable, "-m", "replicator", *shlex.split(command)],
        cwd=tmp_path,
        env={**environment.inherited(), **stack_with_rules.variables, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert OF_ONE_RUN.sub("…", done.stdout) == OF_ONE_RUN.sub("…", expected)


def test_each_rule_of_the_readme_has_its_own_destinations(stack_with_rules):
    folders = {path.name: path for path in stack_with_rules.replica_folder.parent.iterdir()}
    assert (folders["replica-bucket"] / "hello.txt").exists()
    assert sorted(path.name for path in (folders["large-bucket"] / "archive").iterdir()) == ["40-mib.bin", "5-mib.bin"]
    assert [path.name for path in folders["greetings-bucket"].iterdir()] == ["hello.txt"]
