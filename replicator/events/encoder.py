"""From a change back to an event, for a message of our own about it."""

import json

from replicator.events import eventbridge, notification
from replicator.model import Change

FAILED_DELIVERIES = "failed_deliveries"
"""The attribute of a message that says how often the delivery of its predecessors failed."""


def encode(change: Change) -> bytes:
    """The event that says what `change` says, in the format that it came in: `parse` makes the same change of it."""
    if change.kind in eventbridge.CHANGES:
        return json.dumps(eventbridge.write(change)).encode()
    return json.dumps({"Records": [notification.write(change)]}).encode()


def message_attributes(change: Change) -> dict[str, str]:
    """What a Pub/Sub message about `change` has for subscriptions to filter by."""
    return {"bucket": change.source.bucket, "kind": change.kind, "event_id": change.event_id or ""}
