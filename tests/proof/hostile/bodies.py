"""Bodies that nobody sends by mistake, by what is wrong with them."""

import base64
import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from replicator.web.requests import FIELDS, MAX_BODY_BYTES
from tests.proof.hostile.envelopes import WRAPS, eventbridge, notification
from tests.proof.hostile.keys import EDGES, IMPOSSIBLE, REFUSED
from tests.proof.hostile.values import INJECTION, VALUES, encoded

Body = tuple[str, bytes]
"""What kind it is, and the bytes."""


def sampled(bodies: Iterable[Body], at_most: int | None) -> Iterator[Body]:
    """All of them; or `at_most` of each kind, from its beginning to its end."""
    kinds: dict[str, list[bytes]] = {}
    for kind, body in bodies:
        kinds.setdefault(kind, []).append(body)
    for kind, found in kinds.items():
        step = 1 if at_most is None else max(1, len(found) / at_most)
        for index in range(round(len(found) / step)):
            yield kind, found[int(index * step)]


def filled(unit: bytes, before: bytes = b"[", after: bytes = b"]") -> bytes:
    """As many units as a body may hold."""
    room = MAX_BODY_BYTES - len(before) - len(after)
    return before + (unit * (room // len(unit)))[:-1] + after


def at_the_limit(bucket: str) -> Iterator[Body]:
    """As large as a body may be, made to be costly in time or memory; and one byte more, and much more."""
    fields = ",".join(f'"{number:x}":0' for number in range(95_000))
    yield "empty lists", filled(b"[],")
    yield "empty objects", filled(b"{},")
    yield "small objects", filled(b'{"":0},')
    yield "small lists in lists", filled(b"[[[[[[[[[]]]]]]]]],")
    yield "objects in objects", filled(b'{"":{"":{"":0}}},')
    yield "short strings", filled(b'"ab",')
    yield "small numbers", filled(b"0.1,")
    yield "many fields", ("{" + fields + "}").encode()
    yield "many fields", f'{{"items":[{{{fields}}}]}}'.encode()
    yield "many items", filled(b"0,", b'{"items":[', b"]}")
    yield "one long number", b"9" * MAX_BODY_BYTES
    yield "one long number", b"0." + b"0" * (MAX_BODY_BYTES - 3) + b"1"
    yield "one long string", filled(b"\\u00e9", b'"', b'"')
    yield "one long string", b'"' + "🌸".encode() + b"x" * (MAX_BODY_BYTES - 6) + b'"'
    yield "deep", b"[" * MAX_BODY_BYTES
    yield "deep", filled(b'{"a":', b"", b"")
    yield "a long key", encoded(eventbridge("x" * (MAX_BODY_BYTES - 1000), bucket))
    yield "a long key", encoded({"bucket": bucket, "key": "x" * (MAX_BODY_BYTES - 1000)})
    yield "a long key", encoded(notification("%" * (MAX_BODY_BYTES - 1000), bucket, str))
    yield "many events", encoded([{"detail-type": "x" * 900, "source": "aws.s3"}] * 1000)
    document: Any = filled(b"[],")[: MAX_BODY_BYTES // 5].decode() + "[]]"
    for wrap in (WRAPS[1], WRAPS[3], WRAPS[4], WRAPS[1]):
        document = wrap.around(document)
    yield "wraps", encoded(document)[:MAX_BODY_BYTES]
    yield "beyond the limit", b" " * (MAX_BODY_BYTES + 1)
    yield "beyond the limit", encoded({"bucket": bucket, "key": "x" * MAX_BODY_BYTES})
    yield "beyond the limit", b"[" * (4 * MAX_BODY_BYTES)


COSTLIEST = {"a long key", "many fields", "small lists in lists"}
"""In time or memory, of these kinds and with it the bounds that keep them cheap: what the short form tries."""


def malformed(bucket: str) -> Iterator[Body]:
    """Neither an event nor a direct call. Whoever acknowledges one loses it."""
    event = encoded(eventbridge("k", bucket))
    yield "empty", b""
    for character in (b"\x00", b"\x00" * 1000, b"\n", b"\x1b[2J", b"\xff\xfe", b"\xef\xbb\xbf"):
        yield "control characters", character
        yield "control characters", event[:40] + character.replace(b"\n", b"\x0b") + event[40:]
    for codec in ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "utf-7", "cp037"):
        text = json.dumps(eventbridge("é", bucket), ensure_ascii=False)
        yield "wrong encodings", text.encode(codec) + (b"\xff" if codec == "utf-7" else b"")
    yield "wrong encodings", json.dumps(eventbridge("é", bucket), ensure_ascii=False).encode("latin-1")
    yield "wrong encodings", encoded(eventbridge("\ud800", bucket))
    yield "wrong encodings", encoded(notification("%ff", bucket, str))
    yield "compressed", gzip.compress(b" " * 100_000_000, 9)
    yield "compressed", gzip.compress(event)
    yield "compressed", zlib.compress(event)
    yield "deep", b"[" * 100_000 + b"]" * 100_000
    yield "deep", b'{"message":' * 10_000 + b"1" + b"}" * 10_000
    for value in VALUES:
        yield "wrong types", encoded(value)
        for place in ("Records", "Messages", "message", "body", "Sns", "items", "s3", "detail", "detail-type"):
            yield "wrong types", encoded({place: value})
        yield "wrong types", encoded({"message": {"data": value}})
        yield "wrong types", encoded({"specversion": value, "data": value})
        yield "wrong types", encoded(eventbridge("k", bucket, detail=value))
        yield "wrong types", encoded(eventbridge("k", bucket, source=value, **{"detail-type": None}))
        yield "wrong types", encoded([eventbridge("k", bucket), value])
        if not (isinstance(value, str) and 0 < len(value) <= 1024) or value in ("\ud800", "\udfff\ud800"):
            yield "wrong types", encoded(eventbridge(value, bucket))  # type: ignore[arg-type]
    for key in IMPOSSIBLE:
        yield "impossible keys", encoded(eventbridge(key, bucket))
        yield "impossible keys", encoded(notification(key, bucket))
    for wrap in WRAPS:
        document = eventbridge("k", bucket)
        for count in range(1, 16):
            document = wrap.around(document)
            if count * wrap.depth > 10:
                yield "nested wraps", encoded(document)
        yield "nested wraps", encoded(wrap.around("no event"))
        yield "nested wraps", encoded(wrap.around(wrap.around([])))
    yield "nested wraps", encoded({"message": {"data": base64.b64encode(gzip.compress(event)).decode()}})


def misleading(bucket: str) -> Iterator[Body]:
    """Understood, perhaps, but not to be followed to where they point."""
    for key in REFUSED:
        yield "names that are refused", encoded(eventbridge(key, bucket))
        yield "names that are refused", encoded({"bucket": bucket, "key": key})
        yield "names that are refused", encoded({"items": [{"bucket": bucket, "key": key}]})
    for other in (
        "other-bucket",
        "..",
        ".",
        "",
        "a/b",
        f"{bucket}/..",
        f"{bucket}%00",
        f"{bucket}\n",
        bucket.upper(),
        "*",
    ):
        yield "other buckets", encoded(eventbridge("k", other))
        yield "other buckets", encoded({"bucket": other, "key": "k"})
        yield "other buckets", encoded({"bucket": bucket, "key": "k", "dest_bucket": other, "dest_key": "k"})
        yield "other buckets", encoded({"bucket": other, "key": "k", "dest_bucket": "replica-bucket", "dest_key": "k"})
    for key in [*EDGES, *REFUSED, *IMPOSSIBLE]:
        named = {"bucket": bucket, "key": "k", "dest_bucket": "replica-bucket", "dest_key": key}
        yield "named destinations", encoded(named)
        yield "named destinations", encoded({"items": [named, {**named, "dry_run": True}]})
    for value in VALUES:
        for field in sorted(FIELDS):
            body = {"bucket": bucket, "key": "k", field: value}
            yield "direct calls", encoded(body)
            yield "direct calls", encoded({"items": [body, value]})
        yield "direct calls", encoded({"bucket": bucket, "key": "k", str(value)[:2000]: value})
    yield "fields twice", b'{"bucket":"other-bucket","bucket":"%s","key":"a","key":"k"}' % bucket.encode()
    yield "fields twice", b'{"bucket":"%s","bucket":"other-bucket","key":"k"}' % bucket.encode()
    yield "fields twice", b'{"bucket":"%s","s3_bucket":"other-bucket","key":"k"}' % bucket.encode()
    for place in ("id", "time", "detail-type", "source"):
        yield "injection", encoded(eventbridge("k", bucket, **{place: INJECTION}))
    yield "injection", encoded(eventbridge(f"k{INJECTION}", bucket))
    yield "injection", encoded({"bucket": bucket, "key": f"k{INJECTION}", "version_id": INJECTION})
    message = {"data": base64.b64encode(encoded(eventbridge("k", bucket))).decode(), "messageId": INJECTION}
    yield "injection", encoded({"message": {**message, "attributes": {"failed_deliveries": INJECTION}}})
    for attempt in (-1, 0, 1e300, 10**400, "1", None, [1]):
        attributes = {"failed_deliveries": attempt}
        yield "counts", encoded({"message": {**message, "attributes": attributes}, "deliveryAttempt": attempt})
