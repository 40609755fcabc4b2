"""How an event that passed the rule reaches the ingest service, and where it stays if it cannot."""

import boto3
import pytest

from replicator.web.ingest import IngestDoors
from replicator.web.requests import SECRET_HEADER
from tests.deploy.aws_cloudformation import stand_in_arn
from tests.deploy.aws_stacks import INGEST, REPLICATOR, SECRET, VERSION, Stack, made, resolved, statements

DESTINATION = stand_in_arn("AWS::Events::ApiDestination", "ApiDestination")


@pytest.fixture
def stack() -> Stack:
    return resolved(REPLICATOR)


def test_events_are_posted_to_the_ingest_door_untransformed(stack: Stack):
    destination = stack.resources["ApiDestination"]
    (target,) = stack.resources["Rule"]["Targets"]
    path = destination["InvocationEndpoint"].removeprefix(INGEST)
    doors = IngestDoors(lambda: None, [])
    assert (destination["HttpMethod"], path) in doors._router._handlers
    assert target["Arn"] == DESTINATION
    assert not target.keys() & {"Input", "InputPath", "InputTransformer", "HttpParameters"}


def test_the_rate_is_a_parameter():
    stack = resolved(REPLICATOR, EventsPerSecond="17")
    assert stack.resources["ApiDestination"]["InvocationRateLimitPerSecond"] == 17


def test_the_secret_is_named_and_never_written_down(stack: Stack):
    connection = stack.resources["Connection"]
    assert stack.resources["ApiDestination"]["ConnectionArn"] == stand_in_arn("AWS::Events::Connection", "Connection")
    assert connection == {
        "AuthorizationType": "API_KEY",
        "AuthParameters": {
            "ApiKeyAuthParameters": {
                "ApiKeyName": SECRET_HEADER,
                "ApiKeyValue": f"{{{{resolve:secretsmanager:{SECRET}:SecretString:::{VERSION}}}}}",
            }
        },
    }


def test_an_event_is_tried_for_a_day_and_then_kept():
    with made(REPLICATOR) as stack:
        (target,) = boto3.client("events").list_targets_by_rule(Rule=stack.name)["Targets"]
        attributes = boto3.client("sqs").get_queue_attributes(
            QueueUrl=stack.outputs["DeadLettersUrl"], AttributeNames=["All"]
        )["Attributes"]
        assert boto3.client("iam").get_role(RoleName=target["RoleArn"].rpartition("/")[2])
    assert target["RetryPolicy"] == {"MaximumEventAgeInSeconds": 24 * 3600, "MaximumRetryAttempts": 185}
    assert target["DeadLetterConfig"]["Arn"] == attributes["QueueArn"]
    assert attributes["SqsManagedSseEnabled"] == "true"
    assert attributes["MessageRetentionPeriod"] == str(14 * 24 * 3600)


def test_only_the_rule_may_send_to_the_dead_letters(stack: Stack):
    policy = stack.resources["DeadLettersPolicy"]
    (statement,) = statements(policy["PolicyDocument"])
    (target,) = stack.resources["Rule"]["Targets"]
    assert policy["Queues"] == [stack.outputs["DeadLettersUrl"]]
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": ["sqs:SendMessage"],
        "Resource": [target["DeadLetterConfig"]["Arn"]],
        "Condition": {"ArnEquals": {"aws:SourceArn": stack.outputs["RuleArn"]}},
    }


def test_only_the_rule_may_use_the_role_and_that_only_to_send(stack: Stack):
    role = stack.resources["DeliveryRole"]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    assert trust["Principal"] == {"Service": "events.amazonaws.com"}
    assert trust["Action"] == ["sts:AssumeRole"]
    assert trust["Condition"] == {
        "StringEquals": {"aws:SourceAccount": "123456789012"},
        "ArnEquals": {"aws:SourceArn": stack.outputs["RuleArn"]},
    }
    (policy,) = role["Policies"]
    (allowed,) = statements(policy["PolicyDocument"])
    assert allowed == {"Effect": "Allow", "Action": ["events:InvokeApiDestination"], "Resource": [DESTINATION]}
    assert "ManagedPolicyArns" not in role


def test_there_is_an_alarm_on_everything_that_can_go_wrong(stack: Stack):
    (target,) = stack.resources["Rule"]["Targets"]
    queue = ("QueueName", target["DeadLetterConfig"]["Arn"].rpartition(":")[2])
    rule = ("RuleName", stack.name)
    alarms = stack.of_type("AWS::CloudWatch::Alarm").values()
    watched = {
        (alarm["Namespace"], alarm["MetricName"], *((d["Name"], d["Value"]) for d in alarm["Dimensions"]))
        for alarm in alarms
    }
    assert watched == {
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible", queue),
        ("AWS/Events", "InvocationsFailedToBeSentToDlq", rule),
        ("AWS/Events", "FailedInvocations", rule),
        ("AWS/Events", "RetryInvocationAttempts", rule),
        ("AWS/Events", "ThrottledRules", rule),
    }
    # A metric that is only sent when it is not zero is silent when all is well.
    assert {(a["ComparisonOperator"], a["Threshold"], a["TreatMissingData"]) for a in alarms} == {
        ("GreaterThanThreshold", 0, "notBreaching")
    }


def test_a_bucket_of_the_stacks_own_announces_its_events_and_is_closed_and_kept():
    with made(REPLICATOR, {"CreateBucket": "yes"}) as stack:
        bucket = stack.resources["Bucket"]
        assert boto3.client("s3").head_bucket(Bucket="source-bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["NotificationConfiguration"] == {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert all(bucket["PublicAccessBlockConfiguration"].values())
    kept = REPLICATOR.read_text().partition("\n  Bucket:\n")[2].partition("Properties:")[0]
    assert "DeletionPolicy: Retain" in kept
    assert "UpdateReplacePolicy: Retain" in kept


def test_a_bucket_that_exists_is_left_alone(stack: Stack):
    assert stack.of_type("AWS::S3::Bucket") == {}
