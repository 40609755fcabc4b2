"""`deploy/gcp/` without the Google Cloud CLI: what the scripts plan, refuse and fill in."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from replicator.settings import IngestSettings, ReplicateSettings, Settings
from replicator.web.event import MAX_FAILED_DELIVERIES
from tests.deploy.gcloud_notes import Call, documents, flag, noted, recorded, without_gcloud
from tests.deploy.gcp_deployment import GCP, Ran, configuration, script

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")

PUSH = "s3-events-push"
ADDED_SECRET = ["secrets", "versions", "add"]
ODD = 'it\'s "$HOME" `id` \\ $(id) ${PROJECT}\nsecond: line # é \U0001f600'


def dry_run(folder: Path, **values: object) -> Ran:
    return script("deploy.sh", ["--dry-run", configuration(folder, **values)], without_gcloud(folder))


def test_a_dry_run_needs_no_gcloud_and_names_every_resource(tmp_path: Path) -> None:
    plan = dry_run(tmp_path)
    assert plan.status == 0, plan.errors
    commands = re.sub(r"\\\n\s*", " ", plan.output)
    for expected in (
        *(f"gcloud iam service-accounts create replicator{name} " for name in ("", "-push", "-ingest", "-build")),
        *(f"gcloud pubsub topics create {name}" for name in ("s3-events", "s3-events-dead", "secret-rotation")),
        "set -- create s3-events-dead --topic s3-events-dead",
        "set -- create s3-events-push --topic s3-events",
        "set -- create secret-rotation --topic secret-rotation --message-filter 'attributes.eventType = "
        "\"SECRET_ROTATE\"'",
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


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[list[Call]]]:
    """What gcloud is called with by a run and by the pasted output of a dry run, where nothing and where all exists."""
    folder = tmp_path_factory.mktemp("runs")
    values = {"REPLICATION_RULES": ODD, "SOURCE_S3_BUCKETS": "", "TARGET_GCS_BUCKET": "", "IMAGE": "r/i@sha256:1"}
    config, env = configuration(folder, **values, DESTINATION_BUCKETS="one two"), without_gcloud(folder)
    printed = folder / "plan.sh"
    printed.write_text(script("deploy.sh", ["--dry-run", config], env).output)
    ways = ([GCP / "deploy.sh", config], ["bash", printed])
    return {exists: [recorded(env, way, exists) for way in ways] for exists in ("no", "yes")}


@pytest.mark.parametrize("exists", ["no", "yes"])
def test_what_a_dry_run_prints_is_what_a_run_does(runs: dict[str, list[list[Call]]], exists: str) -> None:
    done, pasted = runs[exists]
    assert _without_what_is_new(done) == _without_what_is_new(pasted)
    replaced = documents(done)["service"]
    assert [service["metadata"]["name"] for service in replaced] == ["replicator", "replicator-ingest"]
    assert _variables(replaced[0])["REPLICATION_RULES"] == ODD
    assert _containers(replaced[0])[0]["image"] == "r/i@sha256:1"


def test_the_ingest_secret_is_made_once_and_never_stands_in_a_command(runs: dict[str, list[list[Call]]]) -> None:
    made = {exists: [_fed(ADDED_SECRET, calls) for calls in ways] for exists, ways in runs.items()}
    ((first,), (second,)) = made["no"]
    assert re.fullmatch(r"[\w-]{40,}", first), "nothing around it, not even a line's end"
    assert first != second
    assert made["yes"] == [[], []]
    assert '"name": "ingest-secrets", "key": "7"' in json.dumps(documents(runs["no"][0])["service"])
    words = {word for calls in runs["no"] for arguments, _ in calls for word in arguments}
    assert not any(secret in word for secret in (first, second) for word in words)


def test_the_services_start_with_what_they_are_given(given: dict[str, list[Any]]) -> None:
    """Their variables are the settings' own, and the settings accept them."""
    for service, settings in zip(given["service"], (ReplicateSettings, IngestSettings), strict=True):
        name = service["metadata"]["name"]
        variables = {**_variables(service), "K_SERVICE": name}
        if settings is IngestSettings:
            variables["INGEST_SECRETS"] = "0123456789abcdef"
        with patch.dict(os.environ, variables, clear=True):
            loaded = settings.load()
        assert loaded.function_target == {"replicator": "replicate", "replicator-ingest": "ingest"}[name]
        assert set(_variables(service)) <= {field.upper() for field in settings.model_fields} | {"INGEST_SECRETS"}
        assert service["spec"]["template"]["spec"]["containerConcurrency"] == loaded.concurrency  # type: ignore[attr-defined]
        assert isinstance(loaded, Settings)


def test_values_that_belong_together_agree(given: dict[str, list[Any]], calls: list[Call]) -> None:
    service = given["service"][0]
    (made,) = (arguments for arguments, _ in calls if arguments[:4] == ["pubsub", "subscriptions", "create", PUSH])
    ack_deadline, attempts = (int(flag(made, name)) for name in ("--ack-deadline", "--max-delivery-attempts"))
    assert service["spec"]["template"]["spec"]["timeoutSeconds"] == ack_deadline == 600
    assert float(_variables(service)["DEADLINE_SECONDS"]) + 120 <= ack_deadline
    assert attempts > MAX_FAILED_DELIVERIES


def test_a_role_takes_the_place_of_keys(tmp_path: Path) -> None:
    plan = dry_run(tmp_path, AWS_ROLE_ARN="arn:aws:iam::111122223333:role/replicator").output
    assert "arn:aws:iam::111122223333:role/replicator" in plan
    assert "aws-keys" not in plan


def test_the_service_s_own_metrics_take_a_role(tmp_path: Path) -> None:
    assert "roles/monitoring.metricWriter" not in dry_run(_folder(tmp_path, "none")).output
    assert "roles/monitoring.metricWriter" in dry_run(_folder(tmp_path, "own"), METRICS="cloud_monitoring").output


ONLY_RULES = {"SOURCE_S3_BUCKETS": "", "TARGET_GCS_BUCKET": "", "DESTINATION_BUCKETS": "my-replica-bucket"}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"PROJECT": ""}, "PROJECT"),
        ({"PROJECT": "p; rm -r ~"}, "PROJECT"),
        ({"PROJECT": "example.com:my-project"}, "PROJECT"),
        ({"INGRESS": "none"}, "INGRESS"),
        ({"CPU": "0.5"}, "CPU"),
        ({"MEMORY": "1GB"}, "MEMORY"),
        ({"REGION": "$(id)"}, "REGION"),
        ({"DESTINATION_BUCKETS": "a\nb"}, "DESTINATION_BUCKETS"),
        ({"CONCURRENCY": "many"}, "CONCURRENCY"),
        ({"BEARABLE_ERROR_RATIO": "5%"}, "BEARABLE_ERROR_RATIO"),
        ({"DEADLINE_SECONDS": 500}, "DEADLINE_SECONDS"),
        ({"TIMEOUT_SECONDS": 3600}, "TIMEOUT_SECONDS"),
        ({"MAX_DELIVERY_ATTEMPTS": MAX_FAILED_DELIVERIES}, "MAX_DELIVERY_ATTEMPTS"),
        ({"TARGET_GCS_BUCKET": ""}, "REPLICATION_RULES"),
        ({"METRICS": "otlp"}, "METRICS"),
        ({"REGION": "EU"}, "REGION"),
        ({"DESTINATION_BUCKETS": "gs://my-replica-bucket"}, "DESTINATION_BUCKETS"),
        ({"DESTINATION_BUCKETS": "other-bucket"}, "DESTINATION_BUCKETS"),
        ({"TARGET_GCS_BUCKET": "new-bucket"}, "DESTINATION_BUCKETS"),
        ({"SOURCE_S3_BUCKETS": "s3://x"}, "SOURCE_S3_BUCKETS"),
        ({"DELETES": "propogate"}, "DELETES"),
        ({"FOREIGN": "kepp"}, "FOREIGN"),
        ({"AWS_ROLE_ARN": "arn:aws:iam:::role/replicator-reader"}, "AWS_ROLE_ARN"),
        ({"NOTIFICATION_CHANNELS": "me@example.com"}, "NOTIFICATION_CHANNELS"),
        ({"IMAGE": "r/i:latest"}, "IMAGE"),
        ({"BEARABLE_ERROR_RATIO": "1.5"}, "BEARABLE_ERROR_RATIO"),
        ({"MEMORY": "256Mi"}, "MEMORY"),
        ({"CPU": "8"}, "MEMORY"),
        ({"CPU": "4", "MEMORY": "64Gi"}, "MEMORY"),
        ({"CONCURRENCY": 0}, "CONCURRENCY"),
        ({"CONCURRENCY": 2000}, "CONCURRENCY"),
        ({"INGEST_CONCURRENCY": 0}, "INGEST_CONCURRENCY"),
        ({"MAX_INSTANCES": 0}, "MAX_INSTANCES"),
        ({"MIN_INSTANCES": 200}, "MIN_INSTANCES"),
        ({"ROTATION_DAYS": 0}, "ROTATION_DAYS"),
        ({"DEADLINE_SECONDS": 0}, "DEADLINE_SECONDS"),
        ({"DEADLINE_SECONDS": "08"}, "DEADLINE_SECONDS"),
        ({"REPLICATION_RULES": "rules: []"}, "REPLICATION_RULES"),
        ({**ONLY_RULES, "REPLICATION_RULES": "deploy/rules.yaml"}, "REPLICATION_RULES"),
    ],
)
def test_what_cannot_be_right_is_refused_before_anything_is_done(
    tmp_path: Path, values: dict[str, object], complaint: str
) -> None:
    refused = dry_run(tmp_path, **values)
    assert (refused.status, refused.output) == (2, "")
    assert refused.errors.startswith(complaint)


@pytest.mark.parametrize(
    "values",
    [
        {**ONLY_RULES, "REPLICATION_RULES": "projects/p/secrets/rules"},
        {**ONLY_RULES, "REPLICATION_RULES": '{"rules": []}'},
        {"CPU": "2", "MEMORY": "8Gi", "MIN_INSTANCES": 100, "DELETES": "propagate", "FOREIGN": "keep"},
        {"SOURCE_S3_BUCKETS": "a-bucket, another.bucket", "AWS_ROLE_ARN": "arn:aws-cn:iam::111122223333:role/a/b"},
    ],
)
def test_what_can_be_right_is_planned(tmp_path: Path, values: dict[str, object]) -> None:
    planned = dry_run(tmp_path, **values)
    assert (planned.status, planned.errors) == (0, "")


def test_messages_outlast_the_outage_that_the_configuration_says() -> None:
    """The waits between deliveries: 10 s, doubled up to 600 s (https://cloud.google.com/pubsub/docs/handling-failures)."""
    waits = [min(10 * 2**n, 600) for n in range(20)]
    example = (GCP / "config.example.env").read_text()
    assert "20 outlast an outage of two hours" in example
    assert 2 * 3600 <= sum(waits[:19]) < 3 * 3600
    assert "5 only one\n# of two and a half minutes" in example
    assert sum(waits[:4]) == 150


@pytest.mark.parametrize(
    ("words", "times"),
    [
        ('"secrets", "update"', 2),  # the topic's grant may be too new
        ('"run", "services", "replace"', 2),  # the accounts and their grants
        ('"builds", "submit"', 1),
        ('"policies", "create"', 24),  # the metrics
    ],
)
def test_what_is_refused_because_something_is_too_new_is_tried_again(tmp_path: Path, words: str, times: int) -> None:
    env, way = without_gcloud(tmp_path), [GCP / "deploy.sh", configuration(tmp_path)]
    calls = recorded(env, way, "no", refusals={words: times})
    tried = [call for call in calls if words in json.dumps(call[0])]
    assert len(tried) > times
    assert all(call == tried[0] for call in tried[: times + 1])


def test_an_alert_that_is_refused_for_longer_ends_the_run_after_the_addresses(tmp_path: Path) -> None:
    env, way = without_gcloud(tmp_path), [GCP / "deploy.sh", configuration(tmp_path)]
    _, ran = noted(env, way, "no", REFUSALS=json.dumps({'"policies", "create"': 25}))
    assert ran.returncode != 0
    assert "https://s.run.app/v1/events" in ran.stdout


def test_a_gcloud_without_its_components_is_told_before_anything_is_done(tmp_path: Path) -> None:
    env, way = without_gcloud(tmp_path), [GCP / "deploy.sh", configuration(tmp_path)]
    calls, ran = noted(env, way, "no", REFUSALS=json.dumps({'["alpha"': 1}))
    assert ran.returncode == 1
    assert "components install alpha beta" in ran.stderr
    assert all(arguments[-1] == "--help" for arguments, _ in calls)


def test_a_subscription_that_lost_its_topic_is_told_and_left_alone(tmp_path: Path) -> None:
    env, way = without_gcloud(tmp_path), [GCP / "deploy.sh", configuration(tmp_path)]
    calls, ran = noted(env, way, "yes", TOPIC="_deleted-topic_")
    assert ran.returncode == 1
    assert "gcloud pubsub subscriptions delete s3-events-dead" in ran.stderr
    assert not any(arguments[1:3] == ["subscriptions", "update"] for arguments, _ in calls)


def test_what_is_easily_forgotten_is_said_at_the_end(tmp_path: Path) -> None:
    def said(folder: str, **values: object) -> str:
        config = configuration(_folder(tmp_path, folder), **values)
        _, ran = noted(without_gcloud(config.parent), [GCP / "deploy.sh", config], "yes")
        return ran.stdout.partition("account: ")[2]

    plain = said("plain")
    assert "Nobody is told of an alert" in plain
    assert "IMAGE is pinned" not in plain
    told = said("told", IMAGE="r/i@sha256:1", NOTIFICATION_CHANNELS="projects/p/notificationChannels/1")
    assert "IMAGE is pinned to r/i@sha256:1" in told
    assert "Nobody" not in told


def test_the_ingest_secret_that_is_deployed_is_the_newest_that_is_enabled(runs: dict[str, list[list[Call]]]) -> None:
    asked = [arguments for arguments, _ in runs["yes"][0] if arguments[:3] == ["secrets", "versions", "list"]]
    assert [flag(arguments, "--filter") for arguments in asked] == ["state=ENABLED"]


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
    everything = script("destroy.sh", ["--all", config], env).output
    for kind in ("secrets", "topics", "subscriptions", "repositories"):
        assert f"{kind} delete" not in printed.output
        assert f"{kind} delete" in everything


def test_destroy_touches_nothing_of_a_bucket_but_who_may_use_it(tmp_path: Path) -> None:
    everything = script("destroy.sh", ["--all", configuration(tmp_path)], without_gcloud(tmp_path)).output
    verbs = set(re.findall(r"gcloud storage (\w+ ?[a-z-]*)", everything))
    assert verbs == {"buckets describe", "buckets remove-iam-policy-binding"}


def test_destroy_knows_all_that_deploy_creates(tmp_path: Path) -> None:
    env = without_gcloud(tmp_path)
    config = configuration(tmp_path)
    deployed = script("deploy.sh", ["--dry-run", config], env).output
    destroyed = script("destroy.sh", ["--all", config], env).output
    kinds = "iam service-accounts|pubsub topics|secrets|artifacts repositories"
    created = set(re.findall(rf"gcloud ({kinds}) create (\S+)", deployed))
    assert len(created) == 10
    for kind, name in created:
        full = f"{name}@my-project.iam.gserviceaccount.com" if kind == "iam service-accounts" else name
        assert f"gcloud {kind} delete {full}" in destroyed


def test_a_folder_s_name_is_quoted(tmp_path: Path) -> None:
    """The plan begins where the repository is, whatever that is called."""
    odd = tmp_path / "it's a $HOME"
    shutil.copytree(GCP, odd / "deploy" / "gcp")
    plan = subprocess.run(
        [odd / "deploy" / "gcp" / "deploy.sh", "--dry-run", configuration(tmp_path)],
        env=without_gcloud(tmp_path), capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    (cd,) = (line for line in plan.splitlines() if line.startswith("cd "))
    assert _shell(f"{cd} && pwd").strip() == str(odd)


def _without_what_is_new(calls: list[Call]) -> Any:
    """The calls without what each run makes anew: times, folders, and the secret that is fed to a command."""
    told = [(arguments, "" if arguments[:3] == ADDED_SECRET else text) for arguments, text in calls]
    return json.loads(re.sub(r"\d{4}-\d\d-\d\dT[\d:.+]+|/tmp[^\"]*/", "", json.dumps(told)))


def _fed(start: list[str], calls: list[Call]) -> list[str]:
    """What the commands that start like this are fed."""
    return [text for arguments, text in calls if arguments[: len(start)] == start]


def _shell(command: str) -> str:
    """What bash prints."""
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True).stdout


def _folder(parent: Path, name: str) -> Path:
    (parent / name).mkdir()
    return parent / name


def _containers(service: dict[str, Any]) -> list[dict[str, Any]]:
    containers: list[dict[str, Any]] = service["spec"]["template"]["spec"]["containers"]
    return containers


def _variables(service: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in _containers(service)[0]["env"] if "value" in one}
