"""What deploy/aws/README.md says is so, and its commands work as they stand, on moto."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from replicator.events import notification
from tests.deploy.aws_cloudformation import REGION, cloudformation
from tests.deploy.aws_stacks import AWS, EXTENSION, REPLICATOR

TEXT = (AWS / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)

GCLOUD = """#!/bin/sh
echo "$*" >> "$GCLOUD_LOG"
case "$*" in
    *"versions access"*) printf %s old-ingest-secret-0123456789 ;;
    *"versions add"*) printf '> ' >> "$GCLOUD_LOG"; cat >> "$GCLOUD_LOG"; echo >> "$GCLOUD_LOG" ;;
    *"services describe"*) echo https://replicator-ingest-abc-ew.a.run.app ;;
    *"service-accounts describe"*) echo 100000000000000000001 ;;
esac
"""
"""Stands in for the Google side: answers what is read, and keeps what is written."""


SQS = """aws() {
    if [ "$1" = sqs ]; then command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; else command aws "$@"; fi
}
"""
"""For SQS the AWS CLI's first version heeds only the option."""


class Loader(yaml.SafeLoader):
    """Reads a template without regard to its functions."""


Loader.add_multi_constructor("!", lambda *_: None)


def test_every_parameter_is_listed_as_the_template_has_it():
    parameters = yaml.load(REPLICATOR.read_text(), Loader)["Parameters"]  # noqa: S506
    rows = [
        f"| `{name}` | {_default(parameter)} | {parameter['Description']} |" for name, parameter in parameters.items()
    ]
    listed = re.search(r"<!-- parameters -->\n(.*)\n<!-- /parameters -->", TEXT, re.DOTALL)[1]
    assert listed.splitlines() == ["| parameter | default | meaning |", "|---|---|---|", *rows]


def _default(parameter: dict) -> str:
    if "Default" not in parameter:
        return "required"
    return f"`{parameter['Default']}`" if parameter["Default"] != "" else ""


def test_the_notifications_asked_for_are_those_that_the_service_acts_on():
    (block,) = [block for block in BLOCKS if '"Events"' in block]
    asked = json.loads(re.search(r'"Events": (\[.*?\])', block, re.DOTALL)[1])
    names = {name.removeprefix("s3:").removesuffix(":*") for name in asked}
    assert names == notification.CHANGING_FAMILIES | notification.CHANGES


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Runs a script beside a moto server that has the README's buckets, and gives what gcloud was told."""
    missing = [tool for tool in ("aws", "jq", "openssl") if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    (tmp_path / "gcloud").write_text(GCLOUD)
    (tmp_path / "gcloud").chmod(0o755)
    shutil.copytree(AWS, tmp_path / "deploy" / "aws")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with cloudformation():
        server.start()
        try:
            _prepare()
            host, port = server.get_host_and_port()
            environment = {
                **os.environ,
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "AWS_ENDPOINT_URL": f"http://{host}:{port}",
                "AWS_CONFIG_FILE": str(tmp_path / "none"),
                "AWS_PAGER": "",
                "GCLOUD_LOG": str(tmp_path / "gcloud.log"),
            }

            def run(script: str) -> str:
                done = subprocess.run(
                    ["sh", "-euc", SQS + script],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stdout + done.stderr
                return Path(environment["GCLOUD_LOG"]).read_text()

            yield run
        finally:
            server.stop()


def _prepare() -> None:
    s3, queue = boto3.client("s3"), boto3.client("sqs").create_queue(QueueName="of-another-team")["QueueUrl"]
    arn = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    for bucket in ("my-source-bucket", "my-code-bucket"):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    of_others = {"Id": "of-another-team", "QueueArn": arn, "Events": ["s3:ReducedRedundancyLostObject"]}
    s3.put_bucket_notification_configuration(
        Bucket="my-source-bucket", NotificationConfiguration={"QueueConfigurations": [of_others]}
    )
    layer = EXTENSION.split(":")[-2]
    boto3.client("lambda").publish_layer_version(LayerName=layer, Content={"ZipFile": b"any"})


def test_the_commands_work_as_they_stand(shell):
    of_a_user = [block for block in BLOCKS if "create-access-key" in block]
    assert len(of_a_user) == 1
    (leave,) = [block for block in BLOCKS if "delete-stack" in block]
    (update,) = [block for block in BLOCKS if "--no-fail-on-empty-changeset" in block]
    script = "\n".join(block for block in BLOCKS if block not in (*of_a_user, leave))
    log = shell(script.replace(update, f"echo '# a new version' >> deploy/aws/replicator.yaml\n{update}"))

    first, new = re.findall("^> (.*)$", log, re.MULTILINE)
    assert first == f"{new},old-ingest-secret-0123456789"
    assert boto3.client("secretsmanager").get_secret_value(SecretId="replicator-ingest")["SecretString"] == new
    role = re.search(r"--update-env-vars AWS_ROLE_ARN=(\S+) ", log)[1]
    assert boto3.client("iam").get_role(RoleName=role.rpartition("/")[2])
    configuration = boto3.client("s3").get_bucket_notification_configuration(Bucket="my-source-bucket")
    assert "EventBridgeConfiguration" in configuration
    queues = {queue["Id"]: queue for queue in configuration["QueueConfigurations"]}
    assert queues.keys() == {"of-another-team", "replicator"}
    (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert queues["replicator"]["QueueArn"] == mapping["EventSourceArn"]
    (replay,) = boto3.client("events").list_replays()["Replays"]
    assert replay["EventSourceArn"] == boto3.client("events").describe_archive(ArchiveName="replicator")["ArchiveArn"]

    shell(f"{BLOCKS[0]}\n{re.search(r'^output.*?^}', BLOCKS[2], re.DOTALL | re.MULTILINE)[0]}\n{leave}")
    left = boto3.client("s3").get_bucket_notification_configuration(Bucket="my-source-bucket")
    assert "EventBridgeConfiguration" not in left
    assert len(left["QueueConfigurations"]) == 2
    stacks = boto3.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])
    assert [stack["StackName"] for stack in stacks["StackSummaries"]] == ["replicator-other-ways"]
