"""The templates of deploy/aws as CloudFormation makes them: on moto, in memory."""

import io
import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import boto3
from moto import mock_aws
from moto.cloudformation import parsing

AWS = Path(__file__).parents[2] / "deploy" / "aws"
REPLICATOR, OTHER_WAYS = AWS / "replicator.yaml", AWS / "other-ways.yaml"

ACCOUNT, REGION = "123456789012", "eu-west-1"
BUCKET, INGEST = "source-bucket", "https://replicator-ingest-abc-ew.a.run.app"
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:replicator-ingest-AbCdEf"
VERSION = "a1b2c3d4-5678-90ab-cdef-111122223333"
EXTENSION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:AWS-Parameters-and-Secrets-Lambda-Extension-Arm64:1"

REQUIRED = {
    REPLICATOR: {
        "SourceBucket": BUCKET,
        "IngestUrl": INGEST,
        "IngestSecretArn": SECRET,
        "IngestSecretVersion": VERSION,
    },
    OTHER_WAYS: {
        "SourceBucket": BUCKET,
        "IngestUrl": INGEST,
        "IngestSecretArn": SECRET,
        "SecretsExtensionArn": EXTENSION,
    },
}
"""Values of the parameters that have no default."""

ONLY_RESOLVED = (
    "AWS::CloudWatch::Alarm",
    "AWS::Events::ApiDestination",
    "AWS::Events::Archive",  # it does make archives, but of patterns that are text
    "AWS::Events::Connection",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)
"""What moto's CloudFormation does not make. A stand-in takes part in `Ref` and `Fn::GetAtt`; nothing else is made."""


@dataclass
class Stack:
    """`resources` are the properties of what was made, with parameters and functions resolved, by logical id."""

    name: str
    outputs: dict[str, str] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def of_type(self, kind: str) -> dict[str, dict[str, Any]]:
        return {name: properties for name, properties in self.resources.items() if self.types[name] == kind}


@contextmanager
def cloudformation() -> Iterator[None]:
    """boto3's AWS is moto's, with stand-ins for what its CloudFormation does not make."""
    stand_ins = {kind: _stand_in(kind) for kind in ONLY_RESOLVED}
    models = parsing.get_model_map() | stand_ins
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
    with patch.dict(os.environ, environment), patch.object(parsing, "get_model_map", lambda: models), mock_aws():
        yield


@contextmanager
def made(template: Path, parameters: Mapping[str, str] | None = None, name: str = "replicator") -> Iterator[Stack]:
    """The stack, as long as the context lasts."""
    stack = Stack(name)

    def record(logical_id: str, resource: dict[str, Any], resources: Any) -> Any:
        model, resolved, physical_name = generate(logical_id, resource, resources)
        resolved = _without_no_value(resolved)
        stack.types[logical_id] = resource["Type"]
        stack.resources[logical_id] = deepcopy(resolved["Properties"])
        return model, resolved, physical_name

    generate = parsing.parse_resource_and_generate_name
    values = REQUIRED[template] | dict(parameters or {})
    with cloudformation(), patch.object(parsing, "parse_resource_and_generate_name", record):
        client = boto3.client("cloudformation")
        client.create_stack(
            StackName=name,
            TemplateBody=_packaged(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        (described,) = client.describe_stacks(StackName=name)["Stacks"]
        assert described["StackStatus"] == "CREATE_COMPLETE"
        stack.outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())}
        yield stack


@cache
def resolved(template: Path, **parameters: str) -> Stack:
    """The stack after its end: what it was made of is still known, and made only once."""
    with made(template, parameters) as stack:
        return stack


def statements(document: Mapping[str, Any] | str) -> list[dict[str, Any]]:
    """The statements of a policy, each with lists of actions and resources."""
    policy = json.loads(document) if isinstance(document, str) else document
    return [
        {**statement, "Action": _list(statement["Action"]), "Resource": _list(statement.get("Resource", []))}
        for statement in policy["Statement"]
    ]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _without_no_value(resolved: Any) -> Any:
    """What CloudFormation makes of `AWS::NoValue` in a list, where moto leaves `None`."""
    if isinstance(resolved, dict):
        return {key: _without_no_value(value) for key, value in resolved.items()}
    if isinstance(resolved, list):
        return [_without_no_value(value) for value in resolved if value is not None]
    return resolved


def _packaged(template: Path) -> str:
    """As `aws cloudformation package` leaves it: the function's folder in a bucket, and its address in the template."""
    text = template.read_text()
    if "Code: lambda\n" not in text:
        return text
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as code:
        code.write(AWS / "lambda" / "forwarder.py", "forwarder.py")
    client = boto3.client("s3")
    client.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": REGION})
    client.put_object(Bucket="packages", Key="forwarder", Body=archive.getvalue())
    # moto's Lambda looks the layer up, and Amazon's are not in it.
    layer = EXTENSION.split(":")[-2]
    boto3.client("lambda").publish_layer_version(LayerName=layer, Content={"ZipFile": b"any"})
    return text.replace("Code: lambda\n", "Code: {S3Bucket: packages, S3Key: forwarder}\n")


def stand_in_arn(kind: str, logical_id: str) -> str:
    """The ARN that a stand-in claims."""
    return f"arn:aws:{kind.split('::')[1].lower()}:{REGION}:{ACCOUNT}:{logical_id}"


def _stand_in(kind: str) -> type:
    class StandIn:
        type = kind

        def __init__(self, logical_id: str) -> None:
            self.physical_resource_id = logical_id

        @classmethod
        def create_from_cloudformation_json(cls, *_: Any, LogicalId: str, **__: Any) -> "StandIn":
            return cls(LogicalId)

        @staticmethod
        def has_cfn_attr(name: str) -> bool:
            return name == "Arn"

        def get_cfn_attribute(self, name: str) -> str:
            assert self.has_cfn_attr(name)
            return stand_in_arn(kind, self.physical_resource_id)

        def is_created(self) -> bool:
            return True

    return StandIn
