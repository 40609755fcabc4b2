"""The embedded Pub/Sub, over gRPC: one topic for the real `PublisherClient`, one pull subscription for the real
`SubscriberClient`.

The service definition: https://github.com/googleapis/googleapis/blob/master/google/pubsub/v1/pubsub.proto
"""

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.empty_pb2 import Empty
from google.pubsub_v1 import (
    AcknowledgeRequest,
    ListTopicSubscriptionsRequest,
    ListTopicSubscriptionsResponse,
    ModifyAckDeadlineRequest,
    PublishRequest,
    PublishResponse,
    PubsubMessage,
    PullRequest,
    PullResponse,
    ReceivedMessage,
)

from replicator.dev.message import Message
from replicator.dev.pull import PullSubscription
from replicator.dev.push import PUSH


class EmbeddedPubsub:
    """Serves `Publish` on loopback, and hands each message to `deliver` before the publisher hears that it is safe;
    and `ListTopicSubscriptions`, which names `followers`.

    Where there is a `subscription`, it serves `Pull`, `ModifyAckDeadline` and `Acknowledge` of that, too.
    """

    def __init__(
        self,
        topic: str,
        deliver: Callable[[Message], None],
        subscription: PullSubscription | None = None,
        followers: Sequence[str] = (PUSH,),
    ) -> None:
        self._topic, self._deliver, self._subscription = topic, deliver, subscription
        self._followers = followers
        self._ids = itertools.count(time.time_ns() // 1000)
        self._lock = Lock()
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="pubsub"))
        services = {
            "google.pubsub.v1.Publisher": {
                "Publish": _method(self._publish, PublishRequest, PublishResponse.serialize),
                "ListTopicSubscriptions": _method(
                    self._list, ListTopicSubscriptionsRequest, ListTopicSubscriptionsResponse.serialize
                ),
            },
            "google.pubsub.v1.Subscriber": {
                "Pull": _method(self._pull, PullRequest, PullResponse.serialize),
                "ModifyAckDeadline": _method(self._modify_ack_deadline, ModifyAckDeadlineRequest, _serialized_empty),
                "Acknowledge": _method(self._acknowledge, AcknowledgeRequest, _serialized_empty),
            },
        }
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items()]
        )
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.stop(grace=None).wait()

    def _publish(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._require_topic(request, context)
        now = datetime.now(UTC)
        messages = [Message(self._next_id(), m.data, dict(m.attributes), now) for m in request.messages]
        for message in messages:
            self._deliver(message)
        return PublishResponse(message_ids=[message.message_id for message in messages])

    def _list(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._require_topic(request, context)
        return ListTopicSubscriptionsResponse(subscriptions=self._followers)

    def _require_topic(self, request: Any, context: grpc.ServicerContext) -> None:
        if request.topic != self._topic:
            context.abort(grpc.StatusCode.NOT_FOUND, "Topic not found")

    def _pull(self, request: Any, context: grpc.ServicerContext) -> Any:
        return PullResponse(
            received_messages=[
                ReceivedMessage(
                    ack_id=ack_id,
                    message=PubsubMessage(
                        data=message.data,
                        attributes=dict(message.attributes),
                        message_id=message.message_id,
                        publish_time=message.published_at,
                    ),
                )
                for ack_id, message in self._asked_for(request, context).pull(request.max_messages)
            ]
        )

    def _modify_ack_deadline(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._asked_for(request, context).modify(request.ack_ids, request.ack_deadline_seconds)
        return Empty()

    def _acknowledge(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._asked_for(request, context).acknowledge(request.ack_ids)
        return Empty()

    def _asked_for(self, request: Any, context: grpc.ServicerContext) -> PullSubscription:
        if self._subscription is None or request.subscription != self._subscription.name:
            context.abort(grpc.StatusCode.NOT_FOUND, "Subscription does not exist")
        return self._subscription

    def _next_id(self) -> str:
        with self._lock:
            return str(next(self._ids))


def _method(behaviour: Callable[[Any, grpc.ServicerContext], Any], request: Any, serialized: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        behaviour, request_deserializer=request.deserialize, response_serializer=serialized
    )


def _serialized_empty(answer: Empty) -> bytes:
    return answer.SerializeToString()
