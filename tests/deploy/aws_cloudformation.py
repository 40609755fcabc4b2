"""moto's AWS, made to do all that the templates and the commands of deploy/aws want of it."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any
from unittest.mock import patch

from moto import mock_aws
from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet
from moto.core.responses import ActionResult
from moto.s3.responses import S3Response

ACCOUNT, REGION = "123456789012", "eu-west-1"

ONLY_RESOLVED = (
    "AWS::CloudWatch::Alarm",
    "AWS::Events::ApiDestination",
    "AWS::Events::Connection",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
)
"""What moto's CloudFormation does not make. A stand-in takes part in `Ref` and `Fn::GetAtt`; nothing else is made."""

Record = Callable[[str, str, dict[str, Any]], None]
"""Is told the logical id, the type and the properties of each resource, with parameters and functions resolved."""


def nothing(_logical_id: str, _kind: str, _properties: dict[str, Any]) -> None:
    """Records nothing."""


@contextmanager
def cloudformation(record: Record = nothing) -> Iterator[None]:
    """boto3's AWS is moto's, and so is that of a moto server in this process."""

    def generated(logical_id: str, resource: dict[str, Any], resources: Any) -> Any:
        model, found, physical_name = generate(logical_id, resource, resources)
        found = _without_no_value(found)
        record(logical_id, found["Type"], deepcopy(found["Properties"]))
        if found["Type"] == "AWS::Events::Archive":  # whose pattern moto wants as text
            found["Properties"]["EventPattern"] = json.dumps(found["Properties"]["EventPattern"])
        return model, found, physical_name

    generate = parsing.parse_resource_and_generate_name
    models = parsing.get_model_map() | {kind: _stand_in(kind) for kind in ONLY_RESOLVED}
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": REGION}
    with (
        patch.dict(os.environ, environment),
        patch.object(parsing, "get_model_map", lambda: models),
        patch.object(parsing, "parse_resource_and_generate_name", generated),
        patch.object(ChangeSet, "apply", _applied),
        patch.object(S3Response, "serialized", _serialized),
        mock_aws(config={"lambda": {"use_docker": False}}),
    ):
        yield


def stand_in_arn(kind: str, logical_id: str) -> str:
    """The ARN that a stand-in claims."""
    return f"arn:aws:{kind.split('::')[1].lower()}:{REGION}:{ACCOUNT}:{logical_id}"


def _without_no_value(resolved: Any) -> Any:
    """What CloudFormation makes of `AWS::NoValue` in a list, where moto leaves `None`."""
    if isinstance(resolved, dict):
        return {key: _without_no_value(value) for key, value in resolved.items()}
    if isinstance(resolved, list):
        return [_without_no_value(value) for value in resolved if value is not None]
    return resolved


def _applied(changes: ChangeSet, apply: Callable[[ChangeSet], None] = ChangeSet.apply) -> None:
    """A stack made by a change set has outputs. One that is changed stays as it is: moto would make its resources anew,
    even those that a condition left out."""
    if changes.change_set_type == "CREATE":
        apply(changes)
        stack = changes.stack
        stack.output_map = parsing.OutputMap(stack.resource_map, changes.template_dict, stack.stack_id)


def _serialized(response: S3Response, result: ActionResult, serialized: Any = S3Response.serialized) -> Any:
    """A bucket says that its events go to EventBridge, as S3 does and moto does not."""
    if response.data.get("Action") == "GetBucketNotificationConfiguration":
        configuration = response.backend.get_bucket_notification_configuration(response.bucket_name)
        if configuration is not None and configuration.event_bridge is not None:
            result = ActionResult({**result.result, "EventBridgeConfiguration": {}})
    return serialized(response, result)


def _stand_in(kind: str) -> type:
    class StandIn:
        type = kind

        def __init__(self, logical_id: str) -> None:
            self.physical_resource_id = logical_id

        @classmethod
        def create_from_cloudformation_json(cls, *_: Any, LogicalId: str, **__: Any) -> "StandIn":
            return cls(LogicalId)

        @classmethod
        def delete_from_cloudformation_json(cls, *_: Any) -> None:
            pass

        @staticmethod
        def has_cfn_attr(name: str) -> bool:
            return name == "Arn"

        def get_cfn_attribute(self, name: str) -> str:
            assert self.has_cfn_attr(name)
            return stand_in_arn(kind, self.physical_resource_id)

        def is_created(self) -> bool:
            return True

    return StandIn
