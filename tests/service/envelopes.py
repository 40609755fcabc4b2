"""Events as they arrive, made from the files under tests/events."""

import base64
import json
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

EVENTS = Path(__file__).parent.parent / "events"
BUCKET = "source-bucket"


def _load(name: str) -> dict[str, Any]:
    return json.loads((EVENTS / name).read_text())


def eventbridge(key: str, kind: str = "created", bucket: str = BUCKET) -> dict[str, Any]:
    """EventBridge's event: the key is raw."""
    file = {"created": "eventbridge/object-created.json", "deleted": "eventbridge/object-deleted-marker.json"}[kind]
    event = deepcopy(_load(file))
    event["detail"]["bucket"]["name"] = bucket
    event["detail"]["object"]["key"] = key
    return event


def notification(*keys: str, bucket: str = BUCKET) -> dict[str, Any]:
    """S3's own notification: keys are form-encoded."""
    document = _load("notification/object-created.json")
    [record] = document["Records"]
    records = []
    for key in keys:
        records.append(deepcopy(record))
        records[-1]["s3"]["bucket"]["name"] = bucket
        records[-1]["s3"]["object"]["key"] = quote_plus(key)
    return {"Records": records}


def push(event: object) -> dict[str, Any]:
    """Pub/Sub's push envelope around an event."""
    data = base64.b64encode(json.dumps(event).encode()).decode()
    return {
        "message": {
            "data": data,
            "attributes": {},
            "messageId": "1",
            "message_id": "1",
            "publishTime": "2026-01-01T00:00:00Z",
            "publish_time": "2026-01-01T00:00:00Z",
        },
        "subscription": "projects/p/subscriptions/s",
    }
