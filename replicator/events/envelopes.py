"""What carries events on their way: lists, Pub/Sub, CloudEvents, SNS and SQS.

Each function yields the documents inside one kind of envelope. As generators they open nothing until they are asked,
so an envelope can be recognised without being read.
"""

from collections.abc import Iterator

from replicator.events.fields import decode_base64, decode_json, malformed


def contents(document: object) -> Iterator[object] | None:
    """The documents inside an envelope, or `None` if this is not one. Iterating raises `Permanent(EVENT_MALFORMED)`."""
    match document:
        case list():
            return _items(document)
        # S3 itself, and Lambda's batches from SNS and SQS: the shape of each record tells which.
        case {"Records": items}:
            return _items(items)
        case {"Messages": items}:
            return _items(items)
        case {"message": dict() as message}:
            return _encoded(message.get("data"))
        case {"specversion": _, "data_base64": data}:
            return _encoded(data)
        case {"specversion": _, "data": data}:
            return iter((data,))
        case {"Type": "Notification", "Message": message}:
            return _embedded(message)
        case {"Sns": notification}:
            return iter((notification,))
        case {"body": body} | {"Body": body}:
            return _embedded(body)
    return None


def _items(items: object) -> Iterator[object]:
    """A list, which must not be empty: nobody sends one, and acknowledging it would hide a forwarder that lost data."""
    if not isinstance(items, list) or not items:
        raise malformed("a batch is not a list of at least one item")
    yield from items


def _encoded(data: object) -> Iterator[object]:
    """JSON in base64: a Pub/Sub message, which Eventarc's binary mode posts alike, and a CloudEvent's binary data.

    https://cloud.google.com/pubsub/docs/push#receive_push
    https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
    """
    yield decode_json(decode_base64(data))


def _embedded(text: object) -> Iterator[object]:
    """JSON as a string: SNS's `Message`, and SQS's body (`body` from Lambda, `Body` from the API).

    https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html
    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
    """
    if not isinstance(text, str):
        raise malformed("the message inside an SNS or SQS envelope is not a string")
    yield decode_json(text)
