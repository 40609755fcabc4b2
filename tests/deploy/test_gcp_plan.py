"""`deploy/gcp/` without the Google Cloud CLI: what the scripts plan, refuse and fill in."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml

from replicator.settings import IngestSettings, ReplicateSettings, Settings
from replicator.web.event import MAX_FAILED_DELIVERIES
from tests.deploy.gcp_deployment import GCP, ROOT, Ran, configuration, script

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

ODD = "it's \"$HOME\" `id` \\ $(id) ${PROJECT}\nsecond: line # é \U0001f600"
STUB = """#!{python}
import json, os, sys
reads = any("-" == word for word in sys.argv)
with open(os.environ["RECORD"], "a") as record:
    print(json.dumps([sys.argv[1:], sys.stdin.read() if reads else ""]), file=record)
absent = {{"describe", "list"}} & set(sys.argv) and os.environ["EXISTS"] == "no"
for word, answer in {{"value(projectNumber)": "123", "value(status.url)": "https://s.run.app", "json": "{{}}"}}.items():
    if word in sys.argv:
        print(answer)
        absent = False
if "value(image_summary.digest)" in sys.argv:
    print("sha256:0")
    absent = False
sys.exit(1 if absent and "list" not in sys.argv else 0)
"""


def without_gcloud(folder: Path) -> dict[str, str]:
    """An environment in which the scripts find all they use, but no gcloud."""
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("bash", "sed", "dirname", "cat", "python3", "env", "awk", "mktemp", "rm", "sleep"):
        found = sys.executable if tool == "python3" else shutil.which(tool)
        assert found, tool
        (tools / tool).symlink_to(found)
    return {"PATH": str(tools), "HOME": str(folder)}


def dry_run(folder: Path, **values: object) -> Ran:
    return script("deploy.sh", ["--dry-run", configuration(folder, **values)], without_gcloud(folder))


def recorded(folder: Path, env: Mapping[str, str], command: list[str], exists: str) -> list[Any]:
    """What a gcloud that only takes notes is called with while the command runs."""
    stub, record = Path(env["PATH"].split(":")[0]) / "gcloud", folder / "record"
    stub.write_text(STUB.format(python=sys.executable))
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    record.unlink(missing_ok=True)
    told = {**env, "RECORD": str(record), "EXISTS": exists}
    ran = subprocess.run(command, env=told, cwd="/", capture_output=True, text=True, timeout=100, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return [json.loads(line) for line in record.read_text().splitlines()]


def test_a_dry_run_needs_no_gcloud_and_names_every_resource(tmp_path: Path) -> None:
    plan = dry_run(tmp_path)
    assert plan.status == 0, plan.errors
    commands = re.sub(r"\\\n\s*", " ", plan.output)
    for expected in (
        *(f"gcloud iam service-accounts create {name} " for name in ("replicator", "replicator-push", "replicator-ingest", "replicator-build")),
        *(f"gcloud pubsub topics create {name}" for name in ("s3-events", "s3-events-dead", "secret-rotation")),
        *(f"set -- create {name} --topic {topic}" for name, topic in (("s3-events-dead", "s3-events-dead"), ("s3-events-push", "s3-events"))),
        *(f"gcloud secrets create {name} --replication-policy automatic" for name in ("aws-keys", "ingest-secrets")),
        "gcloud artifacts repositories create replicator --location europe-west1",
        "gcloud storage buckets update gs://my-replica-bucket --lifecycle-file",
        "gcloud run services replace --region europe-west1 -",
        "run services add-iam-policy-binding replicator-ingest --member \"allUsers\" --role roles/run.invoker",
        *(f"replicator.{metric} --config-from-file -" for metric in ("outcomes", "lag")),
        "gcloud monitoring dashboards",
        "gcloud alpha monitoring policies",
    ):  # fmt: skip
        assert expected in commands, expected
    assert "${" not in plan.output


@pytest.mark.parametrize("exists", ["no", "yes"])
def test_what_a_dry_run_prints_is_what_a_run_does(tmp_path: Path, exists: str) -> None:
    values = {"REPLICATION_RULES": ODD, "SOURCE_S3_BUCKETS": "", "TARGET_GCS_BUCKET": "", "IMAGE": "r/i@sha256:1"}
    plan = dry_run(tmp_path, **values, DESTINATION_BUCKETS="one two")
    printed = tmp_path / "plan.sh"
    printed.write_text(plan.output)
    env = {"PATH": str(tmp_path / "tools"), "HOME": str(tmp_path)}
    done = recorded(tmp_path, env, [str(GCP / "deploy.sh"), str(tmp_path / "config.env")], exists)
    pasted = recorded(tmp_path, env, ["bash", str(printed)], exists)
    assert [_without_times(call) for call in done] == [_without_times(call) for call in pasted]
    replaced = [yaml.safe_load(text) for arguments, text in done if arguments[:3] == ["run", "services", "replace"]]
    assert [service["metadata"]["name"] for service in replaced] == ["replicator", "replicator-ingest"]
    assert _variables(replaced[0])["REPLICATION_RULES"] == ODD
    assert _containers(replaced[0])[0]["image"] == "r/i@sha256:1"


def test_the_services_start_with_what_they_are_given(tmp_path: Path) -> None:
    """Their variables are the settings' own, and the settings accept them."""
    for name, settings in (("replicator", ReplicateSettings), ("replicator-ingest", IngestSettings)):
        service = _rendered(tmp_path, name)
        given = {**_variables(service), "K_SERVICE": name}
        if settings is IngestSettings:
            given["INGEST_SECRETS"] = "0123456789abcdef"
        with patch.dict(os.environ, given, clear=True):
            loaded = settings.load()
        assert loaded.function_target == {"replicator": "replicate", "replicator-ingest": "ingest"}[name]
        assert set(_variables(service)) <= {field.upper() for field in settings.model_fields} | {"INGEST_SECRETS"}
        assert service["spec"]["template"]["spec"]["containerConcurrency"] == loaded.concurrency  # type: ignore[attr-defined]
        assert isinstance(loaded, Settings)


def test_values_that_belong_together_agree(tmp_path: Path) -> None:
    service = _rendered(tmp_path, "replicator")
    plan = dry_run(_folder(tmp_path, "plan")).output
    timeout = service["spec"]["template"]["spec"]["timeoutSeconds"]
    assert f"--ack-deadline {timeout} " in plan
    assert float(_variables(service)["DEADLINE_SECONDS"]) + 120 <= timeout
    attempts = re.search(r"--max-delivery-attempts (\d+)", plan)
    assert attempts
    assert int(attempts[1]) > MAX_FAILED_DELIVERIES


def test_a_role_takes_the_place_of_keys(tmp_path: Path) -> None:
    plan = dry_run(tmp_path, AWS_ROLE_ARN="arn:aws:iam::111122223333:role/replicator").output
    assert "arn:aws:iam::111122223333:role/replicator" in plan
    assert "aws-keys" not in plan


def test_the_service_s_own_metrics_take_a_role(tmp_path: Path) -> None:
    assert "roles/monitoring.metricWriter" not in dry_run(_folder(tmp_path, "none")).output
    assert "roles/monitoring.metricWriter" in dry_run(_folder(tmp_path, "own"), METRICS="cloud_monitoring").output


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"PROJECT": ""}, "PROJECT"),
        ({"PROJECT": "p; rm -r ~"}, "PROJECT"),
        ({"REGION": "$(id)"}, "REGION"),
        ({"DESTINATION_BUCKETS": "a\nb"}, "DESTINATION_BUCKETS"),
        ({"CONCURRENCY": "many"}, "CONCURRENCY"),
        ({"BEARABLE_ERROR_RATIO": "5%"}, "BEARABLE_ERROR_RATIO"),
        ({"DEADLINE_SECONDS": 500}, "DEADLINE_SECONDS"),
        ({"TIMEOUT_SECONDS": 3600}, "TIMEOUT_SECONDS"),
        ({"MAX_DELIVERY_ATTEMPTS": MAX_FAILED_DELIVERIES}, "MAX_DELIVERY_ATTEMPTS"),
        ({"TARGET_GCS_BUCKET": ""}, "REPLICATION_RULES"),
        ({"METRICS": "otlp"}, "METRICS"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_done(
    tmp_path: Path, values: dict[str, object], complaint: str
) -> None:
    refused = dry_run(tmp_path, **values)
    assert (refused.status, refused.output) == (2, "")
    assert refused.errors.startswith(complaint)


def test_a_plan_that_cannot_be_made_whole_is_not_made_at_all(tmp_path: Path) -> None:
    env = without_gcloud(tmp_path)
    (tmp_path / "tools" / "python3").unlink()
    failed = script("deploy.sh", ["--dry-run", configuration(tmp_path)], env)
    assert failed.status != 0
    assert failed.output == ""


def test_destroy_only_prints_unless_it_is_told_yes(tmp_path: Path) -> None:
    env = without_gcloud(tmp_path)
    config = configuration(tmp_path)
    printed = script("destroy.sh", [config], env)
    assert printed.status == 0, printed.errors
    assert "--yes" in printed.errors
    for kept in ("secrets delete", "gcloud storage rm", "topics delete", "subscriptions delete", "repositories delete"):
        assert kept not in printed.output
    everything = script("destroy.sh", ["--all", config], env).output
    for gone in ("secrets delete", "gcloud storage rm", "topics delete", "subscriptions delete", "repositories delete"):
        assert gone in everything
    assert "rm --recursive gs://my-replica-bucket" not in everything
    assert "buckets delete" not in everything


def test_destroy_knows_all_that_deploy_creates(tmp_path: Path) -> None:
    env = without_gcloud(tmp_path)
    config = configuration(tmp_path)
    deployed = script("deploy.sh", ["--dry-run", config], env).output
    destroyed = script("destroy.sh", ["--all", config], env).output
    created = set(re.findall(r"gcloud (iam service-accounts|pubsub topics|secrets|artifacts repositories) create (\S+)", deployed))
    assert len(created) == 10
    for kind, name in created:
        full = f"{name}@my-project.iam.gserviceaccount.com" if kind == "iam service-accounts" else name
        assert f"gcloud {kind} delete {full}" in destroyed


def _without_times(call: list[Any]) -> list[Any]:
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:]{8}Z|/tmp[^\"]*/", "", json.dumps(call)))


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _rendered(tmp_path: Path, name: str) -> dict[str, Any]:
    """A service as the plan has it."""
    plan = dry_run(_folder(tmp_path, name), IMAGE="r/i@sha256:1").output
    texts = re.findall(r"services replace --region \S+ - <<<('.*?[^\\]')\n", plan, re.DOTALL)
    for text in texts:
        shell = subprocess.run(["bash", "-c", f"IMAGE=r/i@sha256:1; printf %s {text}"], capture_output=True, text=True, check=True)
        service: dict[str, Any] = yaml.safe_load(shell.stdout)
        if service["metadata"]["name"] == name:
            return service
    raise AssertionError(f"{name} is not in the plan")


def _containers(service: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = service["spec"]["template"]["spec"]["containers"]
    return containers


def _variables(service: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in _containers(service)[0]["env"] if "value" in one}


def test_a_folder_s_name_is_quoted(tmp_path: Path) -> None:
    """The plan begins where the repository is, whatever that is called."""
    odd = tmp_path / "it's a $HOME"
    shutil.copytree(GCP, odd / "deploy" / "gcp")
    plan = subprocess.run(
        [odd / "deploy" / "gcp" / "deploy.sh", "--dry-run", configuration(tmp_path)],
        env=without_gcloud(tmp_path), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (cd,) = (line for line in plan.splitlines() if line.startswith("cd "))
    assert subprocess.run(["bash", "-c", f"{cd} && pwd"], capture_output=True, text=True, check=True).stdout.strip() == str(odd)
    assert ROOT.exists()
