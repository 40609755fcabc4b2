"""What deploy/aws/README.md says is so, and its commands work as they stand, after those of docs/deploy.md."""

import json
import re

import boto3
import pytest
import yaml

from replicator.events import notification
from tests.deploy.aws_stacks import AWS, REPLICATOR, REQUIRED
from tests.deploy.both_clouds import SECRET, shell
from tests.deploy.guide import blocks, section

TEXT = (AWS / "README.md").read_text("utf-8")
BLOCKS = blocks(TEXT)
STEPS = ("1. What you need", "2. The configuration", "4. AWS")
DEPLOYED = "\n".join(block for step in STEPS for block in blocks(section(step)))


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


pytestmark = pytest.mark.timeout(600)  # each `aws` is a process that takes a second or two to start


@pytest.fixture
def deployed(tmp_path):
    """A shell, after the guide's steps on the AWS side."""
    with shell(tmp_path) as running:
        running.run(DEPLOYED)
        yield running


def test_the_commands_work_as_they_stand(deployed):
    of_a_user = [block for block in BLOCKS if "access-key" in block]
    assert len(of_a_user) == 2
    (leave,) = [block for block in BLOCKS if "delete-stack" in block]
    script = "\n".join(block for block in BLOCKS if block not in (*of_a_user, leave))
    deployed.run(f"git pull\n{script}")

    first, new = re.findall("^> (.*)$", deployed.told(), re.MULTILINE)
    assert first == f"{new},{SECRET}"
    deployments = [line for line in deployed.told().splitlines() if line.startswith(("run services replace", "> "))]
    assert [line[:1] for line in deployments] == [">", "r", "r", ">", "r", "r"]
    assert boto3.client("secretsmanager").get_secret_value(SecretId="replicator-ingest")["SecretString"] == new
    configuration = boto3.client("s3").get_bucket_notification_configuration(Bucket="my-source-bucket")
    assert "EventBridgeConfiguration" in configuration
    queues = {queue["Id"]: queue for queue in configuration["QueueConfigurations"]}
    assert queues.keys() == {"of-another-team", "replicator"}
    (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert queues["replicator"]["QueueArn"] == mapping["EventSourceArn"]
    (replay,) = boto3.client("events").list_replays()["Replays"]
    assert replay["EventSourceArn"] == boto3.client("events").describe_archive(ArchiveName="replicator")["ArchiveArn"]

    deployed.run(f"{BLOCKS[0]}\n{leave}")
    left = boto3.client("s3").get_bucket_notification_configuration(Bucket="my-source-bucket")
    assert "EventBridgeConfiguration" not in left
    assert len(left["QueueConfigurations"]) == 2
    stacks = boto3.client("cloudformation").list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])
    assert [stack["StackName"] for stack in stacks["StackSummaries"]] == ["replicator-other-ways"]


def test_a_user_has_a_key_and_gets_another_before_the_first_goes(tmp_path):
    create, replace = (block for block in BLOCKS if "access-key" in block)
    with shell(tmp_path) as running:
        boto3.client("cloudformation").create_stack(
            StackName="replicator",
            TemplateBody=REPLICATOR.read_text(),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in REQUIRED[REPLICATOR].items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        running.run(f"{BLOCKS[0]}\n{create}\n{create}\n{replace}")
        added = [json.loads(text) for text in re.findall("^> (.*?^})", running.told(), re.MULTILINE | re.DOTALL)]
        (user,) = {one["AccessKey"]["UserName"] for one in added}
        keys = boto3.client("iam").list_access_keys(UserName=user)["AccessKeyMetadata"]
        assert [key["AccessKeyId"] for key in keys] == [added[1]["AccessKey"]["AccessKeyId"]]
        with pytest.raises(AssertionError, match="Invalid length for parameter AccessKeyId"):
            running.run(f"{BLOCKS[0]}\n{replace}")
