"""The templates of deploy/aws as CloudFormation makes them: on moto, in memory."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from tests.deploy.aws_cloudformation import ACCOUNT, REGION, cloudformation

AWS = Path(__file__).parents[2] / "deploy" / "aws"
REPLICATOR, OTHER_WAYS = AWS / "replicator.yaml", AWS / "other-ways.yaml"

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
def made(template: Path, parameters: Mapping[str, str] | None = None, name: str = "replicator") -> Iterator[Stack]:
    """The stack, as long as the context lasts."""
    stack = Stack(name)

    def record(logical_id: str, kind: str, properties: dict[str, Any]) -> None:
        stack.types[logical_id], stack.resources[logical_id] = kind, properties

    values = REQUIRED[template] | dict(parameters or {})
    with cloudformation(record):
        client = boto3.client("cloudformation")
        client.create_stack(
            StackName=name,
            TemplateBody=_packaged(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
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
