"""The templates are ones that CloudFormation takes, as far as that can be told without it."""

import re
from pathlib import Path

import pytest
from cfnlint.api import lint_file
from moto.cloudformation import parsing

from tests.deploy.aws_cloudformation import ONLY_RESOLVED
from tests.deploy.aws_stacks import OTHER_WAYS, REPLICATOR, Stack, resolved, statements
from tests.deploy.guide import ROOT

TOPIC = "arn:aws:sns:eu-west-1:123456789012:alarms"
EVERYTHING = {
    "CreateBucket": "yes",
    "KeyPrefix": "live/",
    "KmsKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/0000-1111",
    "ServiceAccountId": "100000000000000000001",
    "AlarmTopicArn": TOPIC,
}
STACKS = {
    "replicator": (REPLICATOR, {}),
    "replicator with everything": (REPLICATOR, EVERYTHING),
    "queue": (OTHER_WAYS, {}),
    "topic": (OTHER_WAYS, {"Way": "topic", "AlarmTopicArn": TOPIC}),
    "function": (OTHER_WAYS, {"Way": "function"}),
}


@pytest.fixture(params=STACKS)
def stack(request) -> Stack:
    template, parameters = STACKS[request.param]
    return resolved(template, **parameters)


def policies(stack: Stack) -> list[dict]:
    """Every policy document in the stack's resources, wherever it is."""
    found = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            found.extend([value] if "Statement" in value else [])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(stack.resources)
    return found


@pytest.mark.parametrize("template", [REPLICATOR, OTHER_WAYS], ids=lambda path: path.stem)
def test_cfn_lint_finds_nothing(template):
    assert [str(match) for match in lint_file(template)] == []


def test_every_policy_names_its_principals_actions_and_resources(stack: Stack):
    documents = policies(stack)
    assert len(documents) >= 2
    for statement in (statement for document in documents for statement in statements(document)):
        assert "NotAction" not in statement
        assert "NotResource" not in statement
        assert statement.get("Principal") != "*"
        assert "*" not in statement.get("Principal", {}).values()
        assert all(re.fullmatch("[a-z0-9]+:[A-Za-z]+", action) for action in statement["Action"])
        # In a resource a wildcard stands at the end alone, after the bucket or the log group.
        assert all(re.fullmatch(r"arn:aws:[^*?]+\*?", resource) for resource in statement["Resource"])


def test_every_service_that_is_trusted_acts_for_this_account(stack: Stack):
    found = [statement for document in policies(stack) for statement in statements(document)]
    trusting = [statement for statement in found if "Service" in statement.get("Principal", {})]
    assert trusting
    for statement in trusting:
        if statement["Principal"]["Service"] == "lambda.amazonaws.com":
            continue  # Lambda passes a role to functions of its own account alone, and sets no source
        condition = statement["Condition"]
        source = condition["ArnEquals"]["aws:SourceArn"]
        # An S3 ARN does not say whose bucket it is.
        assert ":123456789012:" in source or condition["StringEquals"]["aws:SourceAccount"] == "123456789012"


def test_queues_are_encrypted_and_keep_messages_as_long_as_sqs_can(stack: Stack):
    for queue in stack.of_type("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"]
        assert queue["MessageRetentionPeriod"] == 14 * 86400


@pytest.mark.parametrize("template", [REPLICATOR, OTHER_WAYS], ids=lambda path: path.stem)
def test_dead_letters_outlive_the_stack(template):
    kept = template.read_text().partition("\n  DeadLetters:\n")[2].partition("Properties:")[0]
    assert "DeletionPolicy: Retain" in kept
    assert "UpdateReplacePolicy: Retain" in kept


def test_alarms_go_to_the_topic_if_there_is_one(stack: Stack, request):
    _, parameters = STACKS[request.node.callspec.params["stack"]]
    alarms = stack.of_type("AWS::CloudWatch::Alarm").values()
    assert alarms
    assert {tuple(alarm.get("AlarmActions", ())) for alarm in alarms} == {
        (TOPIC,) if parameters.get("AlarmTopicArn") else ()
    }


def test_what_moto_makes_by_itself_has_no_stand_in():
    assert not set(ONLY_RESOLVED) & set(parsing.get_model_map())


def test_whoever_deploys_the_role_says_that_it_has_a_name():
    """CloudFormation asks for this capability, and not for the usual one, where a role is named."""
    texts = [path.read_text("utf-8") for folder in ("deploy", "docs", "replicator") for path in files(ROOT / folder)]
    deploying = re.compile(r"cloudformation deploy[^`]*?replicator\.yaml[^`]*?(CAPABILITY_\w+)")
    capabilities = [capability for text in texts for capability in deploying.findall(text)]
    assert len(capabilities) >= 3
    assert set(capabilities) == {"CAPABILITY_NAMED_IAM"}


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".md", ".py", ".sh")]
