"""The bodies that requests may have, as the OpenAPI description shows them."""

import base64
import json
from typing import Any

from replicator.web.openapi import Body

EVENTBRIDGE: dict[str, Any] = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "time": "2026-01-01T00:00:00Z",
    "detail": {"bucket": {"name": "source-bucket"}, "object": {"key": "hello.txt"}},
}
NOTIFICATION: dict[str, Any] = {
    "Records": [
        {
            "eventName": "ObjectCreated:Put",
            "eventTime": "2026-01-01T00:00:00.000Z",
            "s3": {"bucket": {"name": "source-bucket"}, "object": {"key": "hello.txt"}},
        }
    ]
}
PUSH: dict[str, Any] = {
    "message": {"data": base64.b64encode(json.dumps(EVENTBRIDGE).encode()).decode(), "messageId": "1"},
    "subscription": "projects/p/subscriptions/s",
}

_OUTLINES = {
    "EventBridge": ["detail-type"],
    "S3 notifications, and Lambda's batches from SNS and SQS": ["Records"],
    "one record of a notification": ["s3"],
    "a CloudEvent": ["specversion", "data"],
    "a CloudEvent with binary data": ["specversion", "data_base64"],
    "SNS, from Lambda": ["Sns"],
    "SQS, several messages": ["Messages"],
    "SQS": ["Body"],
    "SQS, from Lambda": ["body"],
}

EVENT: dict[str, Any] = {
    "description": "An S3 event, in any envelope, which may hold others: only its outline is described here. What is "
    "inside must be S3 events, or the message is answered with `event_malformed`.",
    "anyOf": [
        {"description": "Several of these.", "type": "array"},
        {
            "description": "Pub/Sub push, Eventarc.",
            "type": "object",
            "properties": {"message": {"type": "object"}},
            "required": ["message"],
        },
        {
            "description": "SNS.",
            "type": "object",
            "properties": {"Type": {"const": "Notification"}, "Message": {"type": "string"}},
            "required": ["Type", "Message"],
        },
        {
            "description": "S3's test event.",
            "type": "object",
            "properties": {"Event": {"const": "s3:TestEvent"}},
            "required": ["Event"],
        },
        *({"description": f"{name}.", "type": "object", "required": marks} for name, marks in _OUTLINES.items()),
    ],
}
"""As `replicator.events.looks_like_event` sees it."""

_EVENT_EXAMPLES = {
    "Pub/Sub push around EventBridge": PUSH,
    "EventBridge": EVENTBRIDGE,
    "S3 notification": NOTIFICATION,
}
_DIRECT_EXAMPLES = {
    "one object, dry run": {"bucket": "source-bucket", "key": "hello.txt", "dry_run": True},
    "one object": {"s3_bucket": "source-bucket", "s3_key": "hello.txt"},
    "to a named destination": {
        "src_bucket": "source-bucket",
        "src_key": "hello.txt",
        "dest_bucket": "replica-bucket",
        "dest_key": "greetings/hello.txt",
    },
}

DIRECT_BODY = Body("A direct call, or an event.", ("DirectRequest", "Event"), _DIRECT_EXAMPLES | _EVENT_EXAMPLES)
EVENT_BODY = Body("An event.", ("Event",), _EVENT_EXAMPLES)
BATCH_BODY = Body(
    "Direct calls.",
    ("BatchRequest",),
    {
        "two objects": {
            "items": [
                {"bucket": "source-bucket", "key": "hello.txt"},
                {"bucket": "source-bucket", "key": "absent.txt", "dry_run": True},
            ]
        }
    },
)
PUBLISHED_BODY = Body("EventBridge's event, or an array of them.", ("Published",), {"EventBridge": EVENTBRIDGE})
PUBLISHED: dict[str, Any] = {"description": "Any JSON: it is published as it is, for the subscriber to read."}
