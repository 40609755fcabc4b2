"""The doctor's commands for Google Cloud, carried out by the installed Google Cloud CLI against a stand-in."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from replicator.doctor import Check, Finding
from replicator.doctor.delivery import Expected, judge_hand_over, judge_subscription
from replicator.doctor.deployment import Deployment
from replicator.doctor.destination import judge_destination
from replicator.doctor.facts import (
    BucketSettings,
    DeadLetterFacts,
    DestinationFacts,
    KeyFacts,
    Refusal,
    SourceFacts,
    SubscriptionFacts,
)
from replicator.doctor.keys import judge_keys
from replicator.doctor.source import Reader, judge_source
from replicator.model import Placement
from replicator.rules import Rule
from tests.deploy.gcloud_cli import environment, library, loaded
from tests.deploy.gcp_stand_in import NUMBER, PROJECT, Cloud, serving

pytestmark = [
    pytest.mark.skipif(library() is None, reason="the Google Cloud CLI is not installed"),
    pytest.mark.timeout(300),
]

ROOT = Path(__file__).parents[2]
DEPLOYMENT = Deployment(PROJECT, "europe-west1")
REPLICATOR = f"serviceAccount:replicator@{PROJECT}.iam.gserviceaccount.com"
AGENT = f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
BUCKET, SECRET = "storage/storage/v1/b/replica", f"secretmanager/v1/projects/{PROJECT}/secrets/aws-keys"
PUSH = f"projects/{PROJECT}/subscriptions/s3-events-push"
TOPIC, DEAD = f"projects/{PROJECT}/topics/s3-events", f"projects/{PROJECT}/topics/s3-events-dead"
RULE = Rule("cold", frozenset({"source"}), "replica", placement=Placement("NEARLINE"))
UNIFORM = {"uniformBucketLevelAccess": {"enabled": True}}

BROKEN = BucketSettings("US", "ARCHIVE", versioning=True, soft_delete=30 * 86_400, retention=1, uniform_access=False)
BROKEN_BUCKET = {
    "retentionPolicy": {"retentionPeriod": "1"},
    "defaultEventBasedHold": True,
    "softDeletePolicy": {"retentionDurationSeconds": "2592000"},
    "versioning": {"enabled": True},
    "storageClass": "ARCHIVE",
    "autoclass": {"enabled": True},
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}},
}
UNUSED = SubscriptionFacts(PUSH, TOPIC, expires=1)
GIVES_UP = replace(UNUSED, endpoint="https://x/", account="a@b", dead_letters=DeadLetterFacts(DEAD, 5), ack_deadline=9)
PUSHES = {
    "pushEndpoint": "https://replicator-abc-ew.a.run.app/",
    "oidcToken": {
        "serviceAccountEmail": f"replicator-push@{PROJECT}.iam.gserviceaccount.com",
        "audience": "https://replicator-abc-ew.a.run.app",
    },
}


def of_bucket(settings: BucketSettings, missing: frozenset[str] = frozenset()) -> list[Finding]:
    plain = replace(RULE, placement=Placement())
    rules = [RULE] if settings.autoclass else [plain]
    return list(judge_destination(DestinationFacts("replica", missing, settings), rules, DEPLOYMENT))


def of_subscription(facts: SubscriptionFacts) -> list[Finding]:
    expected = Expected(url="https://replicator-abc-ew.a.run.app")
    return list(judge_subscription(PUSH, facts, expected, DEPLOYMENT))


def of_keys(facts: KeyFacts) -> list[Finding]:
    return list(judge_keys(facts, DEPLOYMENT, datetime.now(UTC)))


@dataclass
class Terminal:
    cloud: Cloud
    folder: Path
    variables: dict[str, str]

    def carry_out(self, findings: list[Finding], check: Check, last: bool = False) -> None:
        """What the check's finding says, as a person would paste it."""
        command = [finding.mend for finding in findings if finding.check is check][-1 if last else 0]
        assert command is not None
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.folder,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"

    def resource(self, key: str) -> dict[str, Any]:
        return self.cloud.resources[key]


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    folder, cloud, lib = tmp_path_factory.mktemp("doctor"), Cloud(), library()
    assert lib is not None
    cloud.add("storage", "storage/v1/b/replica", {"name": "replica", "lifecycle": {"rule": []}})
    cloud.add("secretmanager", f"v1/projects/{PROJECT}/secrets/aws-keys", {"name": SECRET.partition("/v1/")[2]})
    for topic in (TOPIC, DEAD):
        cloud.add("pubsub", f"v1/{topic}", {"name": topic})
    cloud.add("pubsub", f"v1/{PUSH}", {"name": PUSH, "topic": TOPIC})
    with serving(cloud) as proxy, loaded(lib, folder, environment(folder, proxy)) as variables:
        (folder / "deploy").symlink_to(ROOT / "deploy")
        yield Terminal(cloud, folder, variables)


@pytest.mark.parametrize(
    ("check", "settings", "field", "mended"),
    [
        (Check.DESTINATION_RETENTION, BROKEN, "retentionPolicy", None),
        (Check.DESTINATION_RETENTION, BucketSettings("US", default_hold=True), "defaultEventBasedHold", False),
        (Check.DESTINATION_SOFT_DELETE, BROKEN, "softDeletePolicy", {"retentionDurationSeconds": "604800"}),
        (Check.DESTINATION_VERSIONING, BROKEN, "versioning", {"enabled": False}),
        (Check.DESTINATION_STORAGE_CLASS, BROKEN, "storageClass", "STANDARD"),
        (Check.DESTINATION_STORAGE_CLASS, BucketSettings("US", autoclass=True), "autoclass", {"enabled": False}),
        (Check.DESTINATION_ACCESS, BROKEN, "iamConfiguration", UNIFORM),
    ],
)
def test_a_bucket_s_setting_is_changed(terminal, check, settings, field, mended):
    terminal.resource(BUCKET).update(BROKEN_BUCKET)
    terminal.carry_out(of_bucket(settings), check)
    assert terminal.resource(BUCKET).get(field) == mended


def test_the_lifecycle_rule_is_added(terminal):
    terminal.carry_out(of_bucket(BROKEN), Check.DESTINATION_LEFTOVERS)
    [rule] = terminal.resource(BUCKET)["lifecycle"]["rule"]
    assert rule["condition"] == {"age": 7, "matchesPrefix": [".replicator/"]}


def test_roles_are_granted(terminal):
    missing = frozenset({"storage.objects.get"})
    terminal.carry_out(of_bucket(BROKEN, missing), Check.DESTINATION_PERMISSIONS)
    terminal.carry_out(of_keys(KeyFacts(SECRET.partition("/v1/")[2], "x", Refusal.DENIED)), Check.KEYS_READABLE)
    terminal.carry_out([judge_hand_over(TOPIC, False, DEPLOYMENT)], Check.HAND_OVER)
    terminal.carry_out(of_subscription(GIVES_UP), Check.DEAD_LETTER_GRANTS)
    terminal.carry_out(of_subscription(GIVES_UP), Check.DEAD_LETTER_GRANTS, last=True)
    assert terminal.cloud.members(BUCKET) == {("roles/storage.objectUser", REPLICATOR)}
    assert terminal.cloud.members(SECRET) == {("roles/secretmanager.secretAccessor", REPLICATOR)}
    assert terminal.cloud.members(f"pubsub/v1/{TOPIC}") == {("roles/pubsub.publisher", REPLICATOR)}
    assert terminal.cloud.members(f"pubsub/v1/{DEAD}") == {("roles/pubsub.publisher", AGENT)}
    assert terminal.cloud.members(f"pubsub/v1/{PUSH}") == {("roles/pubsub.subscriber", AGENT)}


def test_the_rotation_is_set_up(terminal):
    terminal.carry_out(of_keys(KeyFacts(SECRET.partition("/v1/")[2], created=datetime.now(UTC))), Check.KEYS_ROTATION)
    assert terminal.resource(SECRET)["rotation"]["rotationPeriod"] == "7776000s"
    assert terminal.resource(SECRET)["topics"] == [{"name": f"projects/{PROJECT}/topics/secret-rotation"}]


def test_the_subscription_is_set_right(terminal):
    terminal.cloud.add("pubsub", f"v1/{PUSH}", {"name": PUSH, "topic": TOPIC})
    terminal.carry_out(of_subscription(UNUSED), Check.PUSH_ENDPOINT)
    for check in (Check.ACK_DEADLINE, Check.RETRY_POLICY, Check.EXPIRATION, Check.DEAD_LETTER_POLICY):
        terminal.carry_out(of_subscription(UNUSED), check)
    terminal.carry_out(of_subscription(GIVES_UP), Check.DEAD_LETTERS_KEPT)
    found = terminal.resource(f"pubsub/v1/{PUSH}")
    assert found["pushConfig"] == PUSHES
    assert found["ackDeadlineSeconds"] == 600
    assert found["retryPolicy"] == {"minimumBackoff": "10s", "maximumBackoff": "600s"}
    assert found["expirationPolicy"] == {}
    assert found["deadLetterPolicy"] == {"deadLetterTopic": DEAD, "maxDeliveryAttempts": 20}
    assert terminal.resource(f"pubsub/v1/projects/{PROJECT}/subscriptions/s3-events-dead")["topic"] == DEAD


def test_the_push_identity_is_set_right(terminal):
    terminal.resource(f"pubsub/v1/{PUSH}")["pushConfig"] = {"pushEndpoint": PUSHES["pushEndpoint"]}
    endpoint = replace(UNUSED, endpoint="https://replicator-abc-ew.a.run.app/")
    terminal.carry_out(of_subscription(endpoint), Check.PUSH_IDENTITY)
    assert terminal.resource(f"pubsub/v1/{PUSH}")["pushConfig"] == PUSHES


def test_the_services_variables_are_set(terminal):
    container = {"image": "i", "env": []}
    service = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "replicator", "namespace": PROJECT, "generation": 1},
        "spec": {"template": {"metadata": {}, "spec": {"containers": [container]}}},
        "status": {"url": "https://x", "observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]},
    }
    terminal.cloud.add("run", f"apis/serving.knative.dev/v1/namespaces/{PROJECT}/services/replicator", service)
    terminal.cloud.add("run", f"v1/projects/{PROJECT}/locations/europe-west1/services/replicator", service)
    facts = SourceFacts("source", "eu-west-1", requester_pays=True)
    terminal.carry_out(list(judge_source(facts, Reader(), DEPLOYMENT)), Check.SOURCE_PAYER)
    puts = [call for call in terminal.cloud.calls if call.api == "run" and call.method == "PUT"]
    [changed] = puts[-1].body["spec"]["template"]["spec"]["containers"]
    assert {"name": "AWS_REQUEST_PAYER", "value": "true"} in changed["env"]
