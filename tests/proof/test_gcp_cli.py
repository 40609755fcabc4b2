"""`deploy/gcp/` with the installed Google Cloud CLI, against a stand-in for its APIs and the real Pub/Sub emulator.

The long form alone: it takes minutes. Without that CLI there is `tests/deploy/test_gcp_plan.py`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import yaml

from tests.deploy.gcloud_cli import environment, library, loaded
from tests.deploy.gcp_deployment import Ran, configuration, script
from tests.deploy.gcp_stand_in import DIGEST, NUMBER, PROJECT, Call, Cloud, serving
from tests.deploy.pubsub_emulator import NotInstalled, find_emulator, running_emulator

pytestmark = [
    pytest.mark.skipif(library() is None, reason="the Google Cloud CLI is not installed"),
    pytest.mark.timeout(900),
]

OTHER_RULE = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["scratch/"]}}
OUR_RULE = {"action": {"type": "Delete"}, "condition": {"age": 7, "matchesPrefix": [".replicator/"]}}
REPLICATOR, PUSH, INGEST, BUILD = (
    f"serviceAccount:replicator{name}@{PROJECT}.iam.gserviceaccount.com" for name in ("", "-push", "-ingest", "-build")
)
PUBSUB_AGENT = f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
SECRETS_AGENT = f"serviceAccount:service-{NUMBER}@gcp-sa-secretmanager.iam.gserviceaccount.com"
ODD_RULES = 'rules:\n- id: "it\'s $HOME `id` \\\\ ${PROJECT} é \U0001f600"\n'


@dataclass(frozen=True)
class Step:
    """One run of a script: how it ended, which calls it made, and what there was afterwards."""

    ran: Ran
    calls: list[Call]
    state: Any
    pubsub: dict[str, dict[str, Any]]

    @property
    def created(self) -> list[str]:
        return [f"{call.api}/{call.path}" for call in self.calls if call.creates]


@dataclass(frozen=True)
class Story:
    cloud: Cloud
    first: Step
    deployed_again: Step
    destroyed: Step
    destroyed_again: Step
    policies: dict[str, set[tuple[str, str]]]


def step(cloud: Cloud, name: str, arguments: list[object], env: dict[str, str]) -> Step:
    """Runs a script, which has to succeed."""
    before = len(cloud.calls)
    ran = script(name, arguments, env)
    assert ran.status == 0, ran.errors[-2000:]
    return Step(ran, cloud.calls[before:], cloud.state(), pubsub(cloud))


def pubsub(cloud: Cloud) -> dict[str, dict[str, Any]]:
    """Topics and subscriptions by name, wherever they are kept."""
    if not cloud.pubsub:
        kept = {key: value for key, value in cloud.resources.items() if key.startswith("pubsub/")}
        return {key.removeprefix(f"pubsub/v1/projects/{PROJECT}/"): value for key, value in kept.items()}
    found: dict[str, dict[str, Any]] = {}
    for kind in ("topics", "subscriptions"):
        listed = requests.get(f"{cloud.pubsub}/v1/projects/{PROJECT}/{kind}", timeout=30).json()
        found |= {f"{kind}/{one['name'].rpartition('/')[2]}": one for one in listed.get(kind, [])}
    return found


@pytest.fixture(scope="module")
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """A first deployment where some things were made by hand, and the end of it, each of them twice."""
    if not request.config.getoption("--long"):
        pytest.skip("takes its time: `make proof`, or --long")
    folder = tmp_path_factory.mktemp("gcp")
    config = configuration(folder, REPLICATION_RULES=ODD_RULES, SOURCE_S3_BUCKETS="", TARGET_GCS_BUCKET="",
                           DESTINATION_BUCKETS="my-replica-bucket other-bucket")  # fmt: skip
    cloud, lib = Cloud(), library()
    assert lib is not None
    own_rules = {"lifecycle": {"rule": [OTHER_RULE]}}
    cloud.add("storage", "storage/v1/b/my-replica-bucket", {"name": "my-replica-bucket", **own_rules})
    cloud.add("storage", "storage/v1/b/other-bucket", {"name": "other-bucket"})
    keys = f"projects/{PROJECT}/secrets/aws-keys"
    cloud.add("secretmanager", f"v1/{keys}", {"name": keys, "replication": {"automatic": {}}})
    with ExitStack() as running:
        try:
            cloud.pubsub = "http://" + running.enter_context(running_emulator(find_emulator()))
        except NotInstalled:
            cloud.pubsub = None
        env = running.enter_context(loaded(lib, folder, environment(folder, running.enter_context(serving(cloud)))))
        first, again = (step(cloud, "deploy.sh", [config], env) for _ in range(2))
        policies = {key: cloud.members(key) for key in cloud.policies}
        arguments = ["--yes", "--all", config]
        destroyed, destroyed_again = (step(cloud, "destroy.sh", arguments, env) for _ in range(2))
        yield Story(cloud, first, again, destroyed, destroyed_again, policies)


def test_every_command_is_accepted_by_the_installed_cli(story: Story) -> None:
    for one in (story.first, story.deployed_again, story.destroyed, story.destroyed_again):
        assert "ERROR:" not in one.ran.errors


def test_topics_and_subscriptions_were_those_of_the_real_emulator(story: Story) -> None:
    if story.cloud.pubsub is None:
        pytest.skip("the stand-in took its place: there is no java, or no Pub/Sub emulator in the Google Cloud CLI")
    assert not any(key.startswith("pubsub/") for key in story.first.state[0])


def test_the_first_run_creates_each_thing_once(story: Story) -> None:
    created = story.first.created
    kinds = {"serviceAccounts": 4, "topics": 3, "subscriptions": 3, "secrets": 1, "repositories": 1, "services": 2,
             "metrics": 2, "dashboards": 1, "alertPolicies": 6, "builds": 1, "b": 1}  # fmt: skip
    secrets = [path for path in created if path.endswith(":addVersion")]
    others = [f"{path}/" for path in created if path not in secrets]
    assert {kind: sum(f"/{kind}/" in path for path in others) for kind in kinds} == kinds
    assert len(secrets) == 1


def test_the_second_run_creates_nothing_and_changes_nothing(story: Story) -> None:
    second = story.deployed_again
    assert second.created == []
    for before, after in zip(story.first.state, second.state, strict=True):
        assert {key: after.get(key) for key in before | after if after.get(key) != before.get(key)} == {}
    assert second.pubsub == story.first.pubsub
    assert all(call.status < 300 for call in second.calls)


def test_each_identity_has_the_least_roles_where_it_needs_them(story: Story) -> None:
    region = f"projects/{PROJECT}/locations/europe-west1"
    accounts, services = f"iam/v1/projects/{PROJECT}/serviceAccounts/", f"run/v1/{region}/services"
    bucket = {("roles/storage.objectUser", REPLICATOR), ("roles/storage.legacyBucketReader", REPLICATOR)}
    topics = f"pubsub/v1/projects/{PROJECT}/topics"
    assert {key: members for key, members in story.policies.items() if members} == {
        "storage/storage/v1/b/my-replica-bucket": bucket,
        "storage/storage/v1/b/other-bucket": bucket,
        f"storage/storage/v1/b/{PROJECT}-replicator-build": {("roles/storage.objectViewer", BUILD)},
        f"{topics}/s3-events": {("roles/pubsub.publisher", REPLICATOR), ("roles/pubsub.publisher", INGEST)},
        f"{topics}/s3-events-dead": {("roles/pubsub.publisher", PUBSUB_AGENT)},
        f"{topics}/secret-rotation": {("roles/pubsub.publisher", SECRETS_AGENT)},
        f"pubsub/v1/projects/{PROJECT}/subscriptions/s3-events-push": {("roles/pubsub.subscriber", PUBSUB_AGENT)},
        f"secretmanager/v1/projects/{PROJECT}/secrets/aws-keys": {("roles/secretmanager.secretAccessor", REPLICATOR)},
        f"secretmanager/v1/projects/{PROJECT}/secrets/ingest-secrets": {("roles/secretmanager.secretAccessor", INGEST)},
        f"artifactregistry/v1/{region}/repositories/replicator": {("roles/artifactregistry.writer", BUILD)},
        f"cloudresourcemanager/v1/projects/{PROJECT}": {("roles/logging.logWriter", BUILD)},
        f"{services}/replicator": {("roles/run.invoker", PUSH), ("roles/run.developer", BUILD)},
        f"{services}/replicator-ingest": {("roles/run.invoker", "allUsers"), ("roles/run.developer", BUILD)},
        f"{accounts}{REPLICATOR.partition(':')[2]}": {("roles/iam.serviceAccountUser", BUILD)},
        f"{accounts}{INGEST.partition(':')[2]}": {("roles/iam.serviceAccountUser", BUILD)},
        f"{accounts}{PUSH.partition(':')[2]}": {("roles/iam.serviceAccountTokenCreator", PUBSUB_AGENT)},
    }  # fmt: skip


def test_the_subscription_pushes_as_the_invoker_and_gives_up_to_the_dead_letter_topic(story: Story) -> None:
    push, dead = (story.first.pubsub[f"subscriptions/s3-events{name}"] for name in ("-push", "-dead"))
    url = f"https://replicator-{NUMBER}.europe-west1.run.app"
    assert push["pushConfig"]["pushEndpoint"] == f"{url}/"
    assert push["ackDeadlineSeconds"] == 600
    policy = push["deadLetterPolicy"]
    assert policy == {"deadLetterTopic": f"projects/{PROJECT}/topics/s3-events-dead", "maxDeliveryAttempts": 20}
    sent = next(call.body for call in story.first.calls if call.creates and call.path.endswith("/s3-events-push"))
    assert sent["pushConfig"]["oidcToken"] == {"audience": url, "serviceAccountEmail": PUSH.partition(":")[2]}
    assert sent["retryPolicy"] == {"minimumBackoff": "10s", "maximumBackoff": "600s"}
    assert sent["expirationPolicy"] == {}, "never"
    assert sent["messageRetentionDuration"] == f"{31 * 86400}s"
    assert dead["topic"] == f"projects/{PROJECT}/topics/s3-events-dead"


def test_a_secret_has_replication_rotation_and_its_topic(story: Story) -> None:
    for name in ("aws-keys", "ingest-secrets"):
        secret = story.first.state[0][f"secretmanager/v1/projects/{PROJECT}/secrets/{name}"]
        assert secret["replication"] == {"automatic": {}}
        assert secret["topics"] == [{"name": f"projects/{PROJECT}/topics/secret-rotation"}]
        assert secret["rotation"]["rotationPeriod"] == f"{90 * 86400}s"
        assert secret["rotation"]["nextRotationTime"]
    payload = story.first.state[0][f"secretmanager/v1/projects/{PROJECT}/secrets/ingest-secrets/secret-payload"]
    assert len(payload["data"]) > 40
    assert payload["data"] not in story.first.ran.output + story.first.ran.errors


def test_a_bucket_keeps_its_own_lifecycle_rules(story: Story) -> None:
    rules = {name: story.first.state[0][f"storage/storage/v1/b/{name}"]["lifecycle"]["rule"]
             for name in ("my-replica-bucket", "other-bucket")}  # fmt: skip
    assert rules == {"my-replica-bucket": [OTHER_RULE, OUR_RULE], "other-bucket": [OUR_RULE]}


def test_services_run_the_image_that_was_built_by_its_digest_and_odd_values_arrive_unchanged(story: Story) -> None:
    place = f"run/apis/serving.knative.dev/v1/namespaces/{PROJECT}/services"
    for name in ("replicator", "replicator-ingest"):
        (container,) = story.first.state[0][f"{place}/{name}"]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"europe-west1-docker.pkg.dev/{PROJECT}/replicator/replicator@{DIGEST}"
    assert {"name": "ingest-secrets", "key": "1"} in [
        one.get("valueFrom", {}).get("secretKeyRef") for one in container["env"]
    ]
    variables = story.first.state[0][f"{place}/replicator"]["spec"]["template"]["spec"]["containers"][0]["env"]
    values = {variable["name"]: variable.get("value", "") for variable in variables}
    assert values["REPLICATION_RULES"] == ODD_RULES
    assert yaml.safe_load(values["REPLICATION_RULES"])


def test_the_first_build_tests_and_pushes_and_deploys_to_nothing(story: Story) -> None:
    (build,) = (call.body for call in story.first.calls if call.api == "cloudbuild" and call.method == "POST")
    assert build["serviceAccount"].endswith(BUILD.partition(":")[2])
    assert build["substitutions"]["_SERVICES"] == ""
    assert [one["id"] for one in build["steps"]] == ["test", "build", "push", "deploy"]


def test_after_the_end_nothing_is_left_but_buckets_and_records_of_builds(story: Story) -> None:
    buckets = {
        f"storage/storage/v1/b/{name}" for name in ("my-replica-bucket", "other-bucket", f"{PROJECT}-replicator-build")
    }
    assert story.destroyed.pubsub == {}
    assert {key for key in story.destroyed.state[0] if "/builds/" not in key} == buckets
    assert {key for key in buckets if story.cloud.members(key)} == set()


def test_what_is_taken_back_already_may_be_taken_back_again(story: Story) -> None:
    assert story.destroyed_again.state == story.destroyed.state
