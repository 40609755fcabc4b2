"""Shells complete the command `replicator`, asked as each of them asks."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

BIN = Path(__file__).parents[3] / "bin"
ENVIRONMENT = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}


def ask(command: list[str], cwd: Path, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**ENVIRONMENT, **variables}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize(
    ("shell", "words", "current", "expected"),
    [
        ("bash", "replicator st", "1", "plain,status\n"),
        ("bash", "replicator copy --", "2", "plain,--dry-run\nplain,--json\nplain,--quiet\nplain,--help\n"),
        ("bash", "replicator completion ", "2", "plain,bash\nplain,zsh\nplain,fish\n"),
        ("bash", "replicator copy ", "2", "\n"),
        ("bash", "replicator dead-letters ", "2", "plain,discard\nplain,list\nplain,replay\n"),
        ("bash", "replicator dead-letters list --reason source_ar", "4", "plain,source_archived\n"),
        ("zsh", "replicator st", "1", "plain\nstatus\nSay whether an object is in sync.\n"),
        ("fish", "replicator st", "st", "plain,status\tSay whether an object is in sync.\n"),
    ],
)
def test_a_shell_is_told_what_fits(tmp_path, shell, words, current, expected):
    variables = {"COMP_WORDS": words, "COMP_CWORD": current, "_REPLICATOR_COMPLETE": f"{shell}_complete"}
    assert ask(["replicator"], tmp_path, **variables) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_for_the_command(tmp_path, shell):
    script = ask(["replicator", "completion", shell], tmp_path)
    assert f"_REPLICATOR_COMPLETE={shell}_complete" in script
    assert "replicator" in script
    assert "python" not in script


def test_bash_completes(tmp_path):
    """The script is sourced, and its function called as bash calls it at a tab."""
    script = """
        eval "$(replicator completion bash)"
        complete -p replicator
        COMP_WORDS=(replicator ex) COMP_CWORD=1
        _replicator_completion replicator
        echo "${COMPREPLY[@]}"
    """
    printed = ask([shutil.which("bash") or "bash", "--norc", "-c", script], tmp_path)
    assert printed.splitlines() == ["complete -o nosort -F _replicator_completion replicator", "explain"]


def test_the_command_works_from_anywhere_and_through_a_link(tmp_path):
    link = tmp_path / "replicator"
    link.symlink_to(BIN / "replicator")
    assert ask([str(link), "--version"], tmp_path).startswith("replicator ")
