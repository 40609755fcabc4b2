"""Events from S3, in whatever envelope they arrive: the only part that knows what they look like.

Pure: bytes in, notices out. A notice is a hint, so nothing here asks whether the object really changed.
"""

from replicator.events.fields import decode_json
from replicator.events.parser import looks_like_event, parse, parse_document

__all__ = ["decode_json", "looks_like_event", "parse", "parse_document"]
