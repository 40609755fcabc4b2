"""The ways from S3's notifications to the function, and what each may do."""

import boto3
import pytest

from tests.deploy.aws_cloudformation import ACCOUNT
from tests.deploy.aws_stacks import BUCKET, INGEST, OTHER_WAYS, SECRET, Stack, made, resolved, statements

FROM_THE_BUCKET = {
    "StringEquals": {"aws:SourceAccount": ACCOUNT},
    "ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{BUCKET}"},
}


def arn_of_queue(stack: Stack) -> str:
    return stack.resources["FromQueue"]["EventSourceArn"]


def test_a_queue_takes_the_buckets_notifications():
    stack = resolved(OTHER_WAYS)
    (statement,) = statements(stack.resources["QueuePolicy"]["PolicyDocument"])
    assert stack.outputs["NotificationTarget"] == arn_of_queue(stack)
    assert statement == {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": ["sqs:SendMessage"],
        "Resource": [arn_of_queue(stack)],
        "Condition": FROM_THE_BUCKET,
    }
    assert not stack.resources.keys() & {"Topic", "FromBucket", "Retries"}


def test_a_topic_takes_them_and_fills_the_queue():
    stack = resolved(OTHER_WAYS, Way="topic")
    topic = stack.outputs["NotificationTarget"]
    (publish,) = statements(stack.resources["TopicPolicy"]["PolicyDocument"])
    assert publish == {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": ["sns:Publish"],
        "Resource": [topic],
        "Condition": FROM_THE_BUCKET,
    }
    (send,) = statements(stack.resources["QueuePolicy"]["PolicyDocument"])
    assert send["Principal"] == {"Service": "sns.amazonaws.com"}
    assert send["Condition"] == {"ArnEquals": {"aws:SourceArn": topic}}
    assert stack.resources["Subscription"] == {
        "TopicArn": topic,
        "Protocol": "sqs",
        "Endpoint": arn_of_queue(stack),
        "RawMessageDelivery": True,
    }


def test_the_function_takes_them_itself_and_keeps_what_it_cannot_forward():
    stack = resolved(OTHER_WAYS, Way="function")
    assert stack.outputs["NotificationTarget"].startswith("arn:aws:lambda:")
    permission = stack.resources["FromBucket"]
    assert permission["Principal"] == "s3.amazonaws.com"
    assert permission["SourceArn"] == f"arn:aws:s3:::{BUCKET}"
    assert permission["SourceAccount"] == ACCOUNT
    retries = stack.resources["Retries"]
    assert retries["FunctionName"] == permission["FunctionName"]
    assert (retries["MaximumRetryAttempts"], retries["MaximumEventAgeInSeconds"]) == (2, 6 * 3600)
    (allowed,) = [s for s in permissions(stack) if s["Action"] == ["sqs:SendMessage"]]
    assert allowed["Resource"] == [retries["DestinationConfig"]["OnFailure"]["Destination"]]
    assert not stack.resources.keys() & {"Queue", "FromQueue", "Topic"}


def test_messages_that_failed_come_again_for_a_day_before_they_are_put_aside():
    with made(OTHER_WAYS) as stack:
        (mapping,) = boto3.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    queue, function = stack.resources["Queue"], stack.resources["Function"]
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] * 5 < function["Timeout"]
    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["VisibilityTimeout"] * queue["RedrivePolicy"]["maxReceiveCount"] == 24 * 3600
    assert queue["RedrivePolicy"]["deadLetterTargetArn"].endswith(
        stack.outputs["DeadLettersUrl"].rpartition("/")[2],
    )


@pytest.mark.parametrize(
    ("way", "actions"),
    [
        ("queue", {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}),
        ("topic", {"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"}),
        ("function", {"sqs:SendMessage"}),
    ],
)
def test_the_function_may_read_its_secret_write_its_log_and_use_its_queue(way, actions):
    stack = resolved(OTHER_WAYS, Way=way)
    allowed = {action for statement in permissions(stack) for action in statement["Action"]}
    assert allowed == {"secretsmanager:GetSecretValue", "logs:CreateLogStream", "logs:PutLogEvents"} | actions
    (secret,) = [s for s in permissions(stack) if s["Action"] == ["secretsmanager:GetSecretValue"]]
    assert secret["Resource"] == [SECRET]


def test_the_function_knows_the_secrets_name_and_not_the_secret():
    function = resolved(OTHER_WAYS).resources["Function"]
    assert function["Environment"]["Variables"] == {"INGEST_URL": INGEST, "INGEST_SECRET_ARN": SECRET}
    assert function["Handler"] == "forwarder.handler"
    assert "{{resolve" not in OTHER_WAYS.read_text()


def permissions(stack: Stack) -> list[dict]:
    (policy,) = stack.resources["FunctionRole"]["Policies"]
    return statements(policy["PolicyDocument"])
