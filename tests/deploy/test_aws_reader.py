"""Who may read the source: as much as the adapter needs, as the documents say, and nobody else."""

import base64
import json
import os
import re
from pathlib import Path
from unittest.mock import patch

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import settings
from moto.server import ThreadedMotoServer

from replicator.adapters.s3 import S3Source, connect
from replicator.adapters.sts import SESSION_SECONDS
from replicator.errors import Permanent
from replicator.model import SourceKey
from replicator.settings import EngineSettings
from tests.deploy.aws_cloudformation import ACCOUNT, REGION
from tests.deploy.aws_stacks import BUCKET, REPLICATOR, Stack, made, resolved, statements
from tests.identity_servers import identity_token

ROOT = Path(__file__).parents[2]
KMS_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/my-key-id"
SERVICE_ACCOUNT = "100"

LOOKED_AT = {"s3:GetBucketNotification", "s3:GetEncryptionConfiguration", "s3:GetBucketRequestPayment"}
"""What the doctor looks at beside that: settings of the bucket, and no object."""

NEEDED = {
    "head_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_object": {"s3:GetObject", "s3:GetObjectVersion"},
    "get_object_tagging": {"s3:GetObjectTagging", "s3:GetObjectVersionTagging"},
    "get_object_attributes": {
        "s3:GetObject",
        "s3:GetObjectVersion",
        "s3:GetObjectAttributes",
        "s3:GetObjectVersionAttributes",
    },
    "list_objects_v2": {"s3:ListBucket"},
}
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html"""


def document(name: str, number: int) -> list[dict]:
    """The statements of one of a document's JSON blocks."""
    blocks = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / name).read_text("utf-8"), re.DOTALL)
    return statements(blocks[number])


def reader(stack: Stack) -> dict[str, dict]:
    """What the service needs, by its statement's id; what the doctor needs is checked and left out."""
    found = {statement["Sid"]: statement for statement in statements(stack.resources["ReaderPolicy"]["PolicyDocument"])}
    looked_at = found.pop("LetTheDoctorLook")
    assert set(looked_at["Action"]) == LOOKED_AT
    assert looked_at["Resource"] == found["TellAbsentFromForbidden"]["Resource"]
    return found


def allowed(stack: Stack) -> set[str]:
    return {action for statement in reader(stack).values() for action in statement["Action"]}


def test_the_policy_is_the_documented_one():
    documented = {statement["Sid"]: statement for statement in document("permissions.md", 0)}
    found = reader(resolved(REPLICATOR, SourceBucket="my-source-bucket", KmsKeyArn=KMS_KEY))
    assert found["ReadEncryptedObjects"].pop("Condition") == {
        "StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    }
    documented["ReadEncryptedObjects"]["Resource"] = [KMS_KEY]
    assert found == documented


def test_the_policy_allows_what_the_adapter_asks_s3_for_and_nothing_else():
    texts = {path.name: path.read_text("utf-8") for path in (ROOT / "replicator" / "adapters").glob("s3*.py")}
    asked = {name for text in texts.values() for name in re.findall(r"self\._client\.([a-z]\w*)", text)}
    asked |= {f"{method.lower()}_object" for method in re.findall(r'_lean\.send\("(\w+)"', texts["s3.py"])}
    assert asked == set(NEEDED)
    assert set().union(*NEEDED.values()) == allowed(resolved(REPLICATOR))


def test_only_objects_with_the_prefix_may_be_read():
    found = reader(resolved(REPLICATOR, KeyPrefix="live/"))
    assert found["ReadObjects"]["Resource"] == [f"arn:aws:s3:::{BUCKET}/live/*"]
    assert found["VerifyObjectsUploadedInParts"]["Resource"] == [f"arn:aws:s3:::{BUCKET}/live/*"]
    assert found["TellAbsentFromForbidden"] == {
        "Sid": "TellAbsentFromForbidden",
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{BUCKET}"],
    }


@pytest.mark.parametrize("prefix", ["live*", "li?e", "$live", "${aws:username}"])
def test_a_prefix_that_means_something_else_in_a_policy_is_refused(prefix):
    pattern = re.search(r'KeyPrefix:.*?AllowedPattern: "(.*?)"', REPLICATOR.read_text(), re.DOTALL)[1]
    assert not re.fullmatch(pattern, prefix)
    assert re.fullmatch(pattern, "live/2026-11 (déjà)+%")


def test_without_a_key_nothing_is_said_of_kms():
    assert "ReadEncryptedObjects" not in reader(resolved(REPLICATOR))


def test_the_role_trusts_the_service_account_alone_as_documented():
    stack = resolved(REPLICATOR, ServiceAccountId="NUMERIC_ID")
    role = stack.resources["ReaderRole"]
    assert statements(role["AssumeRolePolicyDocument"]) == document("credentials.md", 0)
    assert "ReaderUser" not in stack.resources
    assert stack.outputs["ReaderRoleArn"] == f"arn:aws:iam::{ACCOUNT}:role/replicator-reader"


def test_the_token_that_the_service_sends_meets_every_condition():
    stack = resolved(REPLICATOR, ServiceAccountId=SERVICE_ACCOUNT)
    (trust,) = statements(stack.resources["ReaderRole"]["AssumeRolePolicyDocument"])
    token = identity_token(EngineSettings.model_fields["aws_role_audience"].default)
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    # AWS's names of the claims: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_iam-condition-keys.html
    assert trust["Condition"] == {
        "StringEquals": {
            "accounts.google.com:aud": claims["azp"],
            "accounts.google.com:oaud": claims["aud"],
            "accounts.google.com:sub": claims["sub"],
        }
    }


def test_the_audience_is_a_parameter():
    stack = resolved(REPLICATOR, ServiceAccountId=SERVICE_ACCOUNT, Audience="my-audience")
    (trust,) = statements(stack.resources["ReaderRole"]["AssumeRolePolicyDocument"])
    assert trust["Condition"]["StringEquals"]["accounts.google.com:oaud"] == "my-audience"


def test_a_session_may_last_as_long_as_the_service_asks_for():
    role = resolved(REPLICATOR, ServiceAccountId=SERVICE_ACCOUNT).resources["ReaderRole"]
    assert role.get("MaxSessionDuration", 3600) >= SESSION_SECONDS


@pytest.mark.parametrize(("service_account", "principal"), [(SERVICE_ACCOUNT, "ReaderRole"), ("", "ReaderUser")])
def test_the_reader_has_the_one_policy(service_account, principal):
    stack = resolved(REPLICATOR, ServiceAccountId=service_account)
    made_principals = stack.of_type("AWS::IAM::User") | stack.of_type("AWS::IAM::Role")
    assert made_principals.keys() == {principal, "DeliveryRole"}
    (policy,) = stack.resources[principal]["ManagedPolicyArns"]
    assert "ReaderPolicy" in policy
    assert "Policies" not in stack.resources[principal]


@pytest.fixture
def bucket():
    """A client that may do everything, on a bucket beside a stack, with the reader's own keys."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    with made(REPLICATOR, {"KeyPrefix": "live/"}) as stack:
        server.start()
        try:
            host, port = server.get_host_and_port()
            owner = boto3.client("s3")
            for name in (BUCKET, "other-bucket"):
                owner.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
                owner.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
            iam, user = boto3.client("iam"), stack.outputs["ReaderUserName"]
            for policy in stack.resources["ReaderUser"]["ManagedPolicyArns"]:  # which moto's CloudFormation leaves out
                iam.attach_user_policy(UserName=user, PolicyArn=policy)
            key = iam.create_access_key(UserName=user)["AccessKey"]
            environment = {
                "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
                "AWS_ENDPOINT_URL_S3": f"http://{host}:{port}",
            }
            yield owner, environment
        finally:
            server.stop()


def test_the_readers_keys_read_the_bucket_and_do_nothing_else(bucket):
    owner, environment = bucket
    owner.put_object(Bucket=BUCKET, Key="live/a", Body=b"bytes", Tagging="colour=red")
    owner.put_object(Bucket=BUCKET, Key="dead/a", Body=b"bytes")
    owner.put_object(Bucket="other-bucket", Key="live/a", Body=b"bytes")
    # moto asks for permissions from now on, as AWS does.
    with patch.dict(os.environ, environment), patch.object(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0):
        client = connect(None, REGION, 4)
        source = S3Source(client)
        source.check(BUCKET)
        for _ in range(2):  # by the SDK, and as the adapter's own requests
            state = source.stat(SourceKey(BUCKET, "live/a"))
            assert state.tags == {"colour": "red"}
        with source.open(state, 1, 3) as body:
            buffer = bytearray(3)
            assert body.readinto(memoryview(buffer)) == 3
        assert bytes(buffer) == b"yte"
        assert source.stat(SourceKey(BUCKET, "live/absent")) is None
        for refused in (SourceKey(BUCKET, "dead/a"), SourceKey("other-bucket", "live/a")):
            with pytest.raises(Permanent, match="source_access_denied"):
                source.stat(refused)
        for write in (
            lambda: client.put_object(Bucket=BUCKET, Key="live/a", Body=b""),
            lambda: client.delete_object(Bucket=BUCKET, Key="live/a"),
            lambda: client.put_object_tagging(Bucket=BUCKET, Key="live/a", Tagging={"TagSet": []}),
        ):
            with pytest.raises(ClientError, match="AccessDenied"):
                write()
        client.close()
