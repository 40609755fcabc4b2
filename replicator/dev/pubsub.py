"""The embedded Pub/Sub: one topic that the real `PublisherClient` publishes to, over gRPC.

The service definition: https://github.com/googleapis/googleapis/blob/master/google/pubsub/v1/pubsub.proto
"""

import itertools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any, Self

import grpc
from google.pubsub_v1 import PublishRequest, PublishResponse

from replicator.dev.push import Message


class EmbeddedPubsub:
    """Serves `Publish` on loopback, and hands each message to `deliver` before the publisher hears that it is safe."""

    def __init__(self, topic: str, deliver: Callable[[Message], None]) -> None:
        self._topic, self._deliver = topic, deliver
        self._ids = itertools.count(time.time_ns() // 1000)
        self._lock = Lock()
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8, thread_name_prefix="pubsub"))
        publish = grpc.unary_unary_rpc_method_handler(
            self._publish,
            request_deserializer=PublishRequest.deserialize,
            response_serializer=PublishResponse.serialize,
        )
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("google.pubsub.v1.Publisher", {"Publish": publish})]
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
        if request.topic != self._topic:
            context.abort(grpc.StatusCode.NOT_FOUND, "Topic not found")
        now = datetime.now(UTC)
        messages = [Message(self._next_id(), m.data, dict(m.attributes), now) for m in request.messages]
        for message in messages:
            self._deliver(message)
        return PublishResponse(message_ids=[message.message_id for message in messages])

    def _next_id(self) -> str:
        with self._lock:
            return str(next(self._ids))
