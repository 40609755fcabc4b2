"""The doctor against a whole deployment on loopback: each thing is broken by itself, seen by its check, and mended."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
import pytest
import requests
from google.protobuf.duration_pb2 import Duration
from google.pubsub_v1 import DeadLetterPolicy, ExpirationPolicy, PushConfig, RetryPolicy, Subscription
from moto import settings
from moto.s3.responses import S3Response

from replicator import cli
from replicator.dev import environment
from replicator.dev.cloud_storage import Answer, CloudStorageServer, Fault
from tests.pubsub_stand_in import PubsubStandIn, pubsub
from tests.servers import cloud_storage, forget_the_shell, moto

ROOT = Path(__file__).parents[2]
SOURCE, REPLICA, REGION = "source-bucket", "replica-bucket", "eu-west-1"
PROJECT = "projects/my-project"
PUSH, KEEPS_DEAD = f"{PROJECT}/subscriptions/s3-events-push", f"{PROJECT}/subscriptions/s3-events-dead"
TOPIC, DEAD = f"{PROJECT}/topics/s3-events", f"{PROJECT}/topics/s3-events-dead"
URL = "https://replicator-abc-ew.a.run.app"
AGENT = "serviceAccount:service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com"
LIFECYCLE = json.loads((ROOT / "deploy/gcp/lifecycle.json").read_text())
SOUND_BUCKET: dict[str, Any] = {
    "location": "EUROPE-WEST1",
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
    "lifecycle": LIFECYCLE,
}

OWNERS = ["s3:GetBucketNotification", "s3:GetEncryptionConfiguration", "s3:GetBucketRequestPayment"]
READER = [
    "s3:GetObject",
    "s3:GetObjectVersion",
    "s3:GetObjectTagging",
    "s3:GetObjectVersionTagging",
    "s3:GetObjectAttributes",
    "s3:GetObjectVersionAttributes",
    "s3:ListBucket",
    *OWNERS,
    # What AWS answers to anybody, and moto does not: who one is, and where a bucket is.
    "sts:GetCallerIdentity",
    "s3:HeadBucket",
]


@dataclass
class Deployment:
    """A deployment that is sound until a test breaks it."""

    variables: dict[str, str]
    storage: CloudStorageServer
    pubsub: PubsubStandIn
    s3: Any
    iam: Any
    capsys: Any

    def run(self, *arguments: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
        """The exit code, and the findings by check and subject."""
        with patch.object(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0), pytest.raises(SystemExit) as ended:
            cli.main(["doctor", "--json", "--region", "europe-west1", "--service-url", URL, *arguments])
        out, err = self.capsys.readouterr()
        document = json.loads(out)
        assert "Traceback" not in err
        found = {(finding["check"], finding["subject"]): finding for finding in document["findings"]}
        assert len(found) == len(document["findings"])
        return int(ended.value.code or 0), found

    def amiss(self, *arguments: str) -> dict[str, str]:
        """What is not ok: the status of each such check."""
        code, found = self.run(*arguments)
        amiss = {finding["check"]: finding["status"] for finding in found.values() if finding["status"] != "ok"}
        assert code == (5 if "failed" in amiss.values() else 0)
        return amiss

    def mend(self, check: str) -> str:
        commands = {found["mend"] for (name, _), found in self.run()[1].items() if name == check and found["mend"]}
        [command] = commands
        return command

    def allow(self, *actions: str) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_user_policy(UserName="reader", PolicyName="reader", PolicyDocument=document)

    def change_subscription(self, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.pubsub.subscriptions[PUSH], name, value)


@pytest.fixture
def deployment(monkeypatch, tmp_path, capsys) -> Iterator[Deployment]:
    """S3 and IAM that ask for permissions, Cloud Storage, and a Pub/Sub that knows policies."""
    monkeypatch.setattr(S3Response, "get_bucket_notification", with_eventbridge(S3Response.get_bucket_notification))
    forget_the_shell(monkeypatch)
    with emptied_moto() as url, cloud_storage() as storage, pubsub() as messages:
        owner = {"region_name": REGION, "endpoint_url": url, "aws_access_key_id": "o", "aws_secret_access_key": "o"}
        s3, iam = boto3.client("s3", **owner), boto3.client("iam", **owner)
        s3.create_bucket(Bucket=SOURCE, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=SOURCE, Key="hello.txt", Body=b"Hello", Tagging="colour=red")
        switch_on = {"EventBridgeConfiguration": {}}
        s3.put_bucket_notification_configuration(Bucket=SOURCE, NotificationConfiguration=switch_on)
        iam.create_user(UserName="reader")
        key = iam.create_access_key(UserName="reader")["AccessKey"]
        storage.create_bucket(REPLICA, **SOUND_BUCKET)
        prepare(messages)
        variables = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": str(tmp_path / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
            "AWS_ENDPOINT_URL": url,
            "STORAGE_EMULATOR_HOST": storage.url,
            "PUBSUB_EMULATOR_HOST": messages.address,
            "PUBSUB_TOPIC": TOPIC,
            "SOURCE_S3_BUCKETS": SOURCE,
            "TARGET_GCS_BUCKET": REPLICA,
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        made = Deployment(variables, storage, messages, s3, iam, capsys)
        made.allow(*READER)
        yield made


@contextmanager
def emptied_moto() -> Iterator[str]:
    """Without what others left in it, and leaving nothing: moto keeps all there is once per process."""
    with moto() as url:
        requests.post(f"{url}/moto-api/reset", timeout=60)
        yield url
        requests.post(f"{url}/moto-api/reset", timeout=60)


def with_eventbridge(answer):
    """moto keeps the configuration, and leaves EventBridge out of its answer."""

    def get_bucket_notification(self):
        found = self.backend.get_bucket_notification_configuration(self.bucket_name)
        on = found is not None and found.event_bridge is not None
        status, headers, body = answer(self)
        body = body.decode() if isinstance(body, bytes) else body
        if on:
            body = re.sub(r"(<NotificationConfiguration[^>]*?)(/>|>)", r"\1><EventBridgeConfiguration/>", body, count=1)
            body += "" if body.endswith("</NotificationConfiguration>") else "</NotificationConfiguration>"
        return status, headers, body

    return get_bucket_notification


def prepare(messages: PubsubStandIn) -> None:
    """As deploy.sh makes it."""
    messages.subscriptions[PUSH] = Subscription(
        name=PUSH,
        topic=TOPIC,
        push_config=PushConfig(
            push_endpoint=f"{URL}/",
            oidc_token={"service_account_email": "replicator-push@my-project.iam.gserviceaccount.com", "audience": URL},
        ),
        ack_deadline_seconds=600,
        retry_policy=RetryPolicy(minimum_backoff=Duration(seconds=10), maximum_backoff=Duration(seconds=600)),
        expiration_policy=ExpirationPolicy(),
        dead_letter_policy=DeadLetterPolicy(dead_letter_topic=DEAD, max_delivery_attempts=20),
    )
    messages.subscriptions[KEEPS_DEAD] = Subscription(name=KEEPS_DEAD, topic=DEAD)
    messages.policies = {DEAD: {("roles/pubsub.publisher", AGENT)}, PUSH: {("roles/pubsub.subscriber", AGENT)}}
    messages.publishable = {TOPIC}


def carried_out(command: str, **client: Any) -> None:
    """One command of the AWS CLI that has only options, by the SDK: the CLI is not everywhere."""
    words = shlex.split(command)
    assert words[0] == "aws"
    names = ["".join(part.title() for part in word.removeprefix("--").split("-")) for word in words[3::2]]
    getattr(boto3.client(words[1], **client), words[2].replace("-", "_"))(**dict(zip(names, words[4::2], strict=True)))


def test_a_sound_deployment_has_nothing_amiss(deployment):
    code, found = deployment.run("--strict")
    assert {key: finding for key, finding in found.items() if finding["status"] != "ok"} == {}
    assert code == 0
    areas = {finding["area"] for finding in found.values()}
    assert areas == {"identity", "source", "destination", "delivery", "clock"}
    assert "user/reader" in found["aws_identity", "the AWS SDK's own credentials"]["detail"]


# --- AWS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("denied", "amiss"),
    [
        ({"s3:GetObjectTagging", "s3:GetObjectVersionTagging"}, {"source_tags": "warning"}),
        # Nobody knows an object to read then, nor by that whether somebody has to agree to pay.
        ({"s3:ListBucket"}, {"source_listable": "failed", "source_readable": "warning", "source_payer": "warning"}),
    ],
)
def test_each_missing_permission_is_seen_and_granted_by_its_command(deployment, denied, amiss):
    deployment.allow(*(action for action in READER if action not in denied))
    assert deployment.amiss() == amiss
    carried_out(
        deployment.mend(next(iter(amiss))),
        region_name=REGION,
        endpoint_url=deployment.variables["AWS_ENDPOINT_URL"],
        aws_access_key_id="o",
        aws_secret_access_key="o",
    )
    assert deployment.amiss() == {}


def test_with_versions_an_object_has_to_be_read_by_its_version(deployment):
    deployment.s3.put_bucket_versioning(Bucket=SOURCE, VersioningConfiguration={"Status": "Enabled"})
    deployment.s3.put_object(Bucket=SOURCE, Key="hello.txt", Body=b"Hello")
    assert deployment.amiss() == {}
    deployment.allow(*(action for action in READER if action != "s3:GetObjectVersion"))
    assert deployment.amiss()["source_versions"] == "failed"  # moto asks for it with tags and attributes, too


def test_an_object_that_may_not_be_read_is_said_and_the_rest_goes_on(deployment):
    deployment.allow(*(action for action in READER if not action.startswith("s3:GetObject")))
    assert deployment.amiss() == {"source_readable": "failed"}
    assert "put-user-policy --user-name reader" in deployment.mend("source_readable")


def test_what_only_owners_may_see_is_a_warning_that_names_the_permission(deployment):
    deployment.allow(*(action for action in READER if action not in OWNERS))
    code, found = deployment.run()
    amiss = {key[0]: finding for key, finding in found.items() if finding["status"] != "ok"}
    assert code == 0
    assert {check: finding["status"] for check, finding in amiss.items()} == {
        "source_events": "warning",
    }
    assert "s3:GetBucketNotification is missing to whoever runs this" in amiss["source_events"]["detail"]
    assert deployment.run("--strict")[0] == 5


def test_events_that_are_off_are_a_failure(deployment):
    deployment.s3.put_bucket_notification_configuration(Bucket=SOURCE, NotificationConfiguration={})
    assert deployment.amiss() == {"source_events": "failed"}


def test_keys_that_aws_does_not_know_are_the_identity_s_failure(deployment, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAUNKNOWN")
    amiss = deployment.amiss()
    assert amiss["aws_identity"] == "failed"
    assert "failed" not in {status for check, status in amiss.items() if not check.startswith(("aws_", "source_"))}


def test_a_bucket_that_is_missing_is_one_failure(deployment, monkeypatch):
    monkeypatch.setenv("SOURCE_S3_BUCKETS", f"{SOURCE},absent-bucket")
    assert deployment.amiss() == {"source_listable": "failed"}


def test_an_empty_bucket_leaves_reading_open(deployment):
    deployment.s3.delete_object(Bucket=SOURCE, Key="hello.txt")
    assert deployment.amiss() == {"source_readable": "warning"}


def test_a_region_that_is_not_the_bucket_s_is_a_warning(deployment, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert deployment.amiss() == {"source_region": "warning"}
    assert "AWS_REGION=eu-west-1" in deployment.mend("source_region")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_PROFILE", "nope", "ProfileNotFound"),
        ("AWS_REGION", "bad_region!", "InvalidRegionError"),
        ("AWS_ENDPOINT_URL_S3", "no-url", "ValueError"),
    ],
)
def test_an_sdk_that_does_not_take_its_configuration_is_a_finding_among_the_others(
    deployment, monkeypatch, variable, value, said
):
    monkeypatch.setenv(variable, value)
    code, found = deployment.run()
    identity = found["aws_identity", "the AWS SDK's own credentials"]
    assert (code, identity["status"]) == (5, "failed")
    assert said in identity["detail"]
    assert found["destination_permissions", f"gs://{REPLICA}"]["status"] == "ok"
    assert found["subscription", PUSH]["status"] == "ok"


@pytest.mark.parametrize("file", [".", "absent.json"])
def test_google_credentials_that_are_none_are_a_finding_among_the_others(deployment, monkeypatch, tmp_path, file):
    monkeypatch.delenv("STORAGE_EMULATOR_HOST")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / file))
    monkeypatch.setenv("AWS_CREDENTIALS_SECRET", "projects/my-project/secrets/aws-keys")
    code, found = deployment.run()
    failed = {check for (check, _), finding in found.items() if finding["status"] == "failed"}
    assert (code, failed) == (5, {"google_identity", "aws_identity"})
    assert str(tmp_path) not in json.dumps([finding["detail"] for finding in found.values()])
    assert found["subscription", PUSH]["status"] == "ok"


# --- Cloud Storage ----------------------------------------------------------------------------------------------------


BROKEN_BUCKETS: dict[str, tuple[str, dict[str, Any]]] = {
    "kept": ("destination_retention", {"retentionPolicy": {"retentionPeriod": "86400"}}),
    "held": ("destination_retention", {"defaultEventBasedHold": True}),
    "soft": ("destination_soft_delete", {"softDeletePolicy": {"retentionDurationSeconds": "2592000"}}),
    "versions": ("destination_versioning", {"versioning": {"enabled": True}}),
    "cold": ("destination_storage_class", {"storageClass": "COLDLINE"}),
    "far": ("destination_location", {"location": "US"}),
    "littered": ("destination_leftovers", {"lifecycle": {"rule": []}}),
    "listed": ("destination_access", {"iamConfiguration": {}}),
}


def test_each_setting_of_a_bucket_is_seen_by_its_check_and_no_other(deployment, monkeypatch):
    for name, (_, broken) in BROKEN_BUCKETS.items():
        deployment.storage.create_bucket(f"{name}-bucket", **SOUND_BUCKET | broken)
    rules = [
        {"id": name, "source": {"bucket": SOURCE}, "destination": {"bucket": f"{name}-bucket"}}
        for name in BROKEN_BUCKETS
    ]
    monkeypatch.delenv("SOURCE_S3_BUCKETS")
    monkeypatch.delenv("TARGET_GCS_BUCKET")
    monkeypatch.setenv("REPLICATION_RULES", json.dumps({"rules": rules}))
    _, found = deployment.run()
    amiss = {(check, subject, one["status"]) for (check, subject), one in found.items() if one["status"] != "ok"}
    assert amiss == {(check, f"gs://{name}-bucket", "warning") for name, (check, _) in BROKEN_BUCKETS.items()}


def test_retention_is_a_failure_where_deletes_are_propagated(deployment, monkeypatch):
    deployment.storage.create_bucket("kept-bucket", **SOUND_BUCKET | {"retentionPolicy": {"retentionPeriod": "86400"}})
    monkeypatch.setenv("TARGET_GCS_BUCKET", "kept-bucket")
    monkeypatch.setenv("DELETES", "propagate")
    assert deployment.amiss() == {"destination_retention": "failed"}


def test_a_permission_on_the_destination_that_is_missing_is_named(deployment):
    deployment.storage.denied.add("storage.objects.delete")
    assert deployment.amiss() == {"destination_permissions": "failed"}
    _, found = deployment.run()
    assert "storage.objects.delete missing" in found["destination_permissions", f"gs://{REPLICA}"]["detail"]


def test_settings_that_may_not_be_seen_are_one_warning(deployment):
    deployment.storage.faults.add(Fault(Answer(403), path=rf"/b/{REPLICA}\?fields", times=None))
    assert deployment.amiss() == {"destination_settings": "warning"}


def test_a_destination_that_does_not_answer_is_a_failure_and_the_rest_goes_on(deployment):
    deployment.storage.faults.add(Fault(Answer(503), times=None))
    assert deployment.amiss() == {"destination_permissions": "failed", "destination_settings": "warning"}


def test_a_source_that_does_not_answer_is_a_failure_and_the_rest_goes_on(deployment, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:1")
    amiss = deployment.amiss()
    assert amiss["source_listable"] == "failed"
    assert not any(check.startswith(("destination", "keys")) for check in amiss)


def test_a_destination_bucket_that_is_missing_is_created_by_its_command(deployment, monkeypatch):
    monkeypatch.setenv("TARGET_GCS_BUCKET", "absent-bucket")
    assert deployment.amiss() == {"destination_permissions": "failed"}
    assert deployment.mend("destination_permissions").startswith("gcloud storage buckets create gs://absent-bucket ")


# --- Pub/Sub ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("check", "change", "status"),
    [
        ("subscription", {"detached": True}, "failed"),
        ("subscription_topic", {"topic": "projects/my-project/topics/other"}, "failed"),
        ("push_endpoint", {"push_config": PushConfig()}, "failed"),
        ("ack_deadline", {"ack_deadline_seconds": 60}, "failed"),
        ("ack_deadline", {"ack_deadline_seconds": 590}, "warning"),
        ("retry_policy", {"retry_policy": None}, "failed"),
        ("expiration", {"expiration_policy": ExpirationPolicy(ttl=Duration(seconds=2678400))}, "failed"),
        ("dead_letter_policy", {"dead_letter_policy": None}, "failed"),
        (
            "dead_letter_policy",
            {"dead_letter_policy": DeadLetterPolicy(dead_letter_topic=DEAD, max_delivery_attempts=5)},
            "warning",
        ),
    ],
)
def test_each_setting_of_the_subscription_is_seen_by_its_check_and_no_other(deployment, check, change, status):
    deployment.change_subscription(**change)
    assert deployment.amiss() == {check: status}


def test_a_deadline_of_the_service_that_leaves_too_little_time_is_a_warning(deployment, monkeypatch):
    monkeypatch.setenv("DEADLINE_SECONDS", "590")
    assert deployment.amiss() == {"ack_deadline": "warning"}


def test_the_audience_has_to_be_the_service_s(deployment, monkeypatch):
    monkeypatch.setenv("AUTH", "oidc")
    monkeypatch.setenv("OIDC_EMAILS", "push@p.iam.gserviceaccount.com")
    monkeypatch.setenv("OIDC_AUDIENCES", URL)
    assert deployment.amiss() == {}
    monkeypatch.setenv("OIDC_AUDIENCES", "https://another.example")
    assert deployment.amiss() == {"push_identity": "failed"}


def test_a_subscription_that_does_not_exist_is_one_failure(deployment):
    assert deployment.amiss("--subscription", "absent") == {"subscription": "failed"}


@pytest.mark.parametrize("resource", [DEAD, PUSH])
def test_each_grant_of_the_service_agent_is_needed(deployment, resource):
    deployment.pubsub.policies[resource].clear()
    assert deployment.amiss() == {"dead_letter_grants": "warning"}
    assert resource.rpartition("/")[2] in deployment.mend("dead_letter_grants")


def test_dead_letters_without_a_subscription_are_lost(deployment):
    del deployment.pubsub.subscriptions[KEEPS_DEAD]
    assert deployment.amiss() == {"dead_letters_kept": "failed"}


def test_a_topic_that_may_not_be_published_to_takes_nothing_over(deployment):
    deployment.pubsub.publishable.clear()
    assert deployment.amiss() == {"hand_over": "failed"}


@pytest.mark.parametrize(
    ("method", "amiss", "permission"),
    [
        ("GetSubscription", "subscription", "pubsub.subscriptions.get"),
        ("GetIamPolicy", "dead_letter_grants", "getIamPolicy"),
        ("ListTopicSubscriptions", "dead_letters_kept", "pubsub.topics.get"),
    ],
)
def test_what_pubsub_does_not_show_is_a_warning_that_names_the_permission(deployment, method, amiss, permission):
    deployment.pubsub.denied.add(method)
    code, found = deployment.run()
    not_ok = [finding for finding in found.values() if finding["status"] != "ok"]
    assert code == 0
    assert {(finding["check"], finding["status"]) for finding in not_ok} == {(amiss, "warning")}
    assert all(permission in finding["detail"] for finding in not_ok)


# --- The command ------------------------------------------------------------------------------------------------------


def process(deployment: Deployment, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    known = {**environment.inherited(), **deployment.variables, "PYTHONPATH": str(ROOT), **variables}
    with patch.object(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0):
        return subprocess.run(
            [sys.executable, "-m", "replicator", "doctor", *arguments],
            env=known,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )


def test_as_a_process_it_prints_what_is_wrong_and_what_mends_it_without_colour(deployment):
    deployment.change_subscription(ack_deadline_seconds=60)
    done = process(deployment, "--quiet")
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.splitlines() == [
        "Delivery",
        f"  failed   ack_deadline  {PUSH}",
        "           It waits 60 s for an answer, and the service takes 480 s (DEADLINE_SECONDS): messages are "
        "delivered again while they are worked on.",
        "           mend: gcloud pubsub subscriptions update s3-events-push --project my-project --ack-deadline 600",
        "33 ok, 0 warning, 1 failed",
    ]


def test_as_the_service_which_may_not_see_the_subscription_it_counts_as_the_document_shows(deployment):
    deployment.pubsub.denied.add("GetSubscription")
    deployment.s3.put_bucket_notification_configuration(Bucket=SOURCE, NotificationConfiguration={})
    code, found = deployment.run()
    statuses = [finding["status"] for finding in found.values()]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in ("ok", "warning", "failed"))
    assert (code, f"\n{counts}\n```" in (ROOT / "docs/doctor.md").read_text()) == (5, True)


def test_without_a_configuration_it_does_not_run(deployment):
    done = process(deployment, "--json", SOURCE_S3_BUCKETS="")
    assert (done.returncode, done.stdout) == (2, "")
    assert "configuration: SOURCE_S3_BUCKETS" in done.stderr
