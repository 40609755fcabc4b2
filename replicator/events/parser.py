"""From a body to its notices: read an event, or open an envelope and go on inside it."""

from collections.abc import Iterator
from itertools import islice

from replicator.events import envelopes, eventbridge, notification
from replicator.events.fields import decode_json, malformed
from replicator.model import Notice

MAX_DEPTH = 10
"""Envelopes inside one another; lists count. The deepest that makes sense has seven: an array of CloudEvents, each with
a Pub/Sub message, an answer from SQS, its messages, SNS, and `Records`."""

MAX_NOTICES = 1000
"""S3 puts one event into a message and SQS hands out ten at a time. Lambda can be set to batches of 10,000, but no
single attempt could replicate that many."""


def parse(body: bytes) -> tuple[Notice, ...]:
    """What a request body or a message says: at least one notice, in the order of the events in it.

    Raises `Permanent(EVENT_MALFORMED)`, and nothing else, for anything that is not an S3 event in a known envelope. One
    malformed event condemns the whole body: it can only be acknowledged, or kept as a dead letter, as a whole.
    """
    return parse_document(decode_json(body))


def parse_document(document: object) -> tuple[Notice, ...]:
    """As `parse`, for a body whose JSON is already decoded."""
    notices = tuple(islice(_notices(document, MAX_DEPTH), MAX_NOTICES + 1))
    if len(notices) > MAX_NOTICES:
        raise malformed(f"more than {MAX_NOTICES} events in one message")
    return notices


def looks_like_event(document: object) -> bool:
    """Whether decoded JSON has the outline of an event or an envelope, rather than of a request of another kind.

    Looks only at the surface: `parse_document` may still refuse the document. Never raises.
    """
    return (
        eventbridge.recognises(document)
        or notification.recognises(document)
        or envelopes.contents(document) is not None
    )


def _notices(document: object, depth: int) -> Iterator[Notice]:
    if eventbridge.recognises(document):
        yield eventbridge.read(document)
    elif notification.recognises(document):
        yield notification.read(document)
    elif (contents := envelopes.contents(document)) is not None:
        if depth == 0:
            raise malformed(f"more than {MAX_DEPTH} envelopes inside one another")
        for inner in contents:
            yield from _notices(inner, depth - 1)
    else:
        raise malformed("not an S3 event in a known envelope")
