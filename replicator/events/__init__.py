"""Events from S3, in whatever envelope they arrive: the only part that knows what they look like.

Pure: bytes in, notices out, and for messages of our own the way back. A notice is a hint, so nothing here asks whether
the object really changed.
"""

from replicator.events.encoder import FAILED_DELIVERIES, encode, message_attributes
from replicator.events.fields import decode_json
from replicator.events.parser import looks_like_event, parse, parse_document

__all__ = [
    "FAILED_DELIVERIES",
    "decode_json",
    "encode",
    "looks_like_event",
    "message_attributes",
    "parse",
    "parse_document",
]
