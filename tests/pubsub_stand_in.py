"""What the doctor asks of Pub/Sub, over gRPC: subscriptions, and IAM policies, which the emulator does not know."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.iam.v1 import iam_policy_pb2, policy_pb2
from google.pubsub_v1 import (
    GetSubscriptionRequest,
    ListTopicSubscriptionsRequest,
    ListTopicSubscriptionsResponse,
    Subscription,
)


@dataclass
class PubsubStandIn:
    """`policies` are pairs of role and member by resource, `denied` methods, and `publishable` topics to publish to."""

    address: str = ""
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    policies: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    publishable: set[str] = field(default_factory=set)

    def get_subscription(self, request: Any) -> Any:
        return self.subscriptions[request.subscription]

    def list_topic_subscriptions(self, request: Any) -> Any:
        names = [name for name, found in self.subscriptions.items() if found.topic == request.topic]
        return ListTopicSubscriptionsResponse(subscriptions=names)

    def get_iam_policy(self, request: Any) -> Any:
        bindings = [
            policy_pb2.Binding(role=role, members=[who]) for role, who in self.policies.get(request.resource, ())
        ]
        return policy_pb2.Policy(bindings=bindings)

    def test_iam_permissions(self, request: Any) -> Any:
        granted = request.permissions if request.resource in self.publishable else []
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)


METHODS = {
    "google.pubsub.v1.Subscriber": {"GetSubscription": (GetSubscriptionRequest.deserialize, Subscription.serialize)},
    "google.pubsub.v1.Publisher": {
        "ListTopicSubscriptions": (
            ListTopicSubscriptionsRequest.deserialize,
            ListTopicSubscriptionsResponse.serialize,
        )
    },
    "google.iam.v1.IAMPolicy": {
        "GetIamPolicy": (iam_policy_pb2.GetIamPolicyRequest.FromString, policy_pb2.Policy.SerializeToString),
        "TestIamPermissions": (
            iam_policy_pb2.TestIamPermissionsRequest.FromString,
            iam_policy_pb2.TestIamPermissionsResponse.SerializeToString,
        ),
    },
}


@contextmanager
def pubsub() -> Iterator[PubsubStandIn]:
    """A Pub/Sub without any subscription."""
    stand_in = PubsubStandIn()
    answers = {
        "GetSubscription": stand_in.get_subscription,
        "ListTopicSubscriptions": stand_in.list_topic_subscriptions,
        "GetIamPolicy": stand_in.get_iam_policy,
        "TestIamPermissions": stand_in.test_iam_permissions,
    }

    def handler(method: str, deserialize: Any, serialize: Any) -> Any:
        def answer(request: Any, context: grpc.ServicerContext) -> Any:
            if method in stand_in.denied:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "denied")
            try:
                return answers[method](request)
            except KeyError:
                context.abort(grpc.StatusCode.NOT_FOUND, "not found")

        return grpc.unary_unary_rpc_method_handler(answer, deserialize, serialize)

    server = grpc.server(ThreadPoolExecutor(4))
    for service, methods in METHODS.items():
        handlers = {name: handler(name, *coders) for name, coders in methods.items()}
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])
    stand_in.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield stand_in
    finally:
        server.stop(None).wait()
