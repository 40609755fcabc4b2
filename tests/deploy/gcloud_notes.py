"""A gcloud that does nothing and takes notes, and an environment without any gcloud."""

import json
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

Call = tuple[list[str], str]
"""The arguments, and what was fed to the command."""

STUB = """#!{python} -IS
import json, os, sys
answers = {{"value(projectNumber)": "123", "value(status.url)": "https://s.run.app", "json": "{{}}"}}
if topic := os.environ["TOPIC"]:
    answers["value(topic)"] = topic
exists = os.environ["EXISTS"] == "yes"
with open(os.environ["RECORD"], "a+") as record:
    record.seek(0)
    so_far = record.read()
    if exists or "cloudbuild.yaml" in so_far:
        answers["value(image_summary.digest)"] = "sha256:1"
    if exists or '"versions", "add"' in so_far:
        answers["value(name.basename())"] = "7"
    print(json.dumps([sys.argv[1:], sys.stdin.read() if "-" in sys.argv else ""]), file=record)
words = json.dumps(sys.argv[1:])
refusals = json.loads(os.environ["REFUSALS"]).items()
if any(phrase in words and so_far.count(phrase) < times for phrase, times in refusals):
    sys.exit(1)
if asked := [answers[word] for word in sys.argv if word in answers]:
    print(*asked)
elif "list" in sys.argv and exists:
    print("found\\tetag")
sys.exit("describe" in sys.argv and not (exists or asked))
"""
TOOLS = ("bash", "sed", "dirname", "cat", "python3", "env", "awk", "mktemp", "rm")


def without_gcloud(folder: Path) -> dict[str, str]:
    """An environment in which the scripts find all they use, but no gcloud, and of Python the standard library only."""
    tools = folder / "tools"
    tools.mkdir()
    for tool in TOOLS:
        found = Path(sys.executable).resolve() if tool == "python3" else shutil.which(tool)
        assert found, tool
        (tools / tool).symlink_to(found)
    (tools / "sleep").write_text("#!/bin/sh\n")  # nobody waits
    (tools / "sleep").chmod(0o755)
    return {"PATH": str(tools), "HOME": str(folder)}


def recorded(
    env: Mapping[str, str], command: Sequence[str | Path], exists: str, refusals: Mapping[str, int] | None = None
) -> list[Call]:
    """What gcloud is called with while the command runs; `exists`, "yes" or "no", is what it says of each resource.

    `env` is that of `without_gcloud`. `refusals` says how often commands fail at first, by words of theirs as JSON.
    """
    told, ran = noted(env, command, exists, REFUSALS=json.dumps(dict(refusals or {})))
    assert ran.returncode == 0, ran.stderr[-2000:]
    return told


def noted(
    env: Mapping[str, str], command: Sequence[str | Path], exists: str, **more: str
) -> tuple[list[Call], "subprocess.CompletedProcess[str]"]:
    """The same, however the command ends, and its end. With `TOPIC`, that is the topic of each subscription."""
    stub, record = Path(env["PATH"]) / "gcloud", Path(env["HOME"]) / "record"
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(0o755)
    record.unlink(missing_ok=True)
    told = {**env, "RECORD": str(record), "EXISTS": exists, "REFUSALS": "{}", "TOPIC": "", **more}
    ran = subprocess.run(command, env=told, cwd="/", capture_output=True, text=True, timeout=100, check=False)
    return [(arguments, text) for arguments, text in map(json.loads, record.read_text().splitlines())], ran


def flag(arguments: Sequence[str], name: str) -> str:
    """What follows the flag."""
    return arguments[arguments.index(name) + 1]


def documents(calls: Sequence[Call]) -> dict[str, list[Any]]:
    """The resources that gcloud is given as documents, by their kind: service, metric, dashboard, policy."""
    found = defaultdict(list)
    for arguments, text in calls:
        match arguments:
            case ["run", "services", "replace", *_]:
                found["service"].append(yaml.safe_load(text))
            case ["logging", "metrics", "create" | "update", *_]:
                found["metric"].append(yaml.safe_load(text))
            case ["monitoring", "dashboards", "create" | "update", *_]:
                found["dashboard"].append(yaml.safe_load(flag(arguments, "--config")))
            case ["alpha", "monitoring", "policies", "create" | "update", *_]:
                found["policy"].append(yaml.safe_load(flag(arguments, "--policy")))
    return found
