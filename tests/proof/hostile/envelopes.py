"""Envelopes around events, around one another, and damaged."""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from hypothesis import strategies as st

from tests.proof.hostile.values import VALUES


def _json(document: object) -> str:
    return json.dumps(document)


def _base64(document: object) -> str:
    return base64.b64encode(_json(document).encode()).decode()


@dataclass(frozen=True)
class Wrap:
    """One way to carry a document, and how many envelopes inside one another it counts for."""

    name: str
    around: Callable[[Any], Any]
    depth: int = 1


WRAPS = [
    Wrap("list", lambda document: [document]),
    Wrap("push", lambda document: {"message": {"data": _base64(document), "messageId": "1"}, "subscription": "s"}),
    Wrap("structured", lambda document: {"specversion": "1.0", "type": "t", "data": document}),
    Wrap("binary", lambda document: {"specversion": "1.0", "type": "t", "data_base64": _base64(document)}),
    Wrap("sns", lambda document: {"Type": "Notification", "Message": _json(document)}),
    Wrap("lambda-sns", lambda inner: {"Records": [{"Sns": {"Type": "Notification", "Message": _json(inner)}}]}, 3),
    Wrap("lambda-sqs", lambda document: {"Records": [{"body": _json(document), "messageId": "m"}]}, 2),
    Wrap("sqs", lambda document: {"Messages": [{"Body": _json(document)}]}, 2),
]


def eventbridge(key: str, bucket: str, **more: object) -> dict[str, Any]:
    """The key is raw."""
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 5, "sequencer": "617f08299329d189"}}
    event = {"version": "0", "id": "e-1", "detail-type": "Object Created", "source": "aws.s3", "detail": detail}
    return {**event, "time": "2026-01-01T00:00:00Z", **more}


def notification(key: str, bucket: str, encode: Callable[[str], str] = quote_plus) -> dict[str, Any]:
    """The key is encoded as in a form."""
    s3 = {"bucket": {"name": bucket}, "object": {"key": encode(key), "size": 5}}
    return {"Records": [{"eventName": "ObjectCreated:Put", "eventTime": "2026-01-01T00:00:00Z", "s3": s3}]}


EVENTS: list[tuple[Callable[[str, str], dict[str, Any]], int]] = [
    (eventbridge, 0),
    (notification, 1),
    (lambda key, bucket: notification(key, bucket, quote), 1),
    (lambda key, bucket: notification(key, bucket, lambda key: quote_plus(key, safe="/")), 1),
]
"""Ways to name a key in an event, each with the envelopes that it counts for by itself."""


@dataclass(frozen=True)
class Enveloped:
    """A document that names `key`, and how many envelopes are inside one another."""

    key: str
    document: Any
    depth: int

    def encoded(self, *, ascii_only: bool = True) -> bytes:
        return json.dumps(self.document, ensure_ascii=ascii_only).encode()


@st.composite
def enveloped(draw: st.DrawFn, keys: st.SearchStrategy[str], bucket: str, most: int = 4) -> Enveloped:
    key = draw(keys)
    make, depth = draw(st.sampled_from(EVENTS))
    document: Any = make(key, bucket)
    for wrap in draw(st.lists(st.sampled_from(WRAPS), max_size=most)):
        document, depth = wrap.around(document), depth + wrap.depth
    return Enveloped(key, document, depth)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[Enveloped]) -> Any:
    """A whole envelope in which, at some places, something else stands, is missing, is twice or is renamed."""
    document = [deepcopy(draw(whole).document)]
    for _ in range(draw(st.integers(1, 3))):
        _damage(document, draw)
    return document[0] if document else document


def _damage(node: Any, draw: st.DrawFn) -> None:
    """Walks from the root to a random place, and into the text of an envelope too."""
    while isinstance(node, dict | list) and node:
        place = draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        below = node[place]
        if isinstance(below, str) and draw(st.booleans()) and (opened := _opened(below)):
            inner, close = opened
            _damage(inner, draw)
            node[place] = close(inner[0] if inner else None)
            return
        if not isinstance(below, dict | list) or draw(st.integers(0, 3)) == 0:
            how = draw(st.sampled_from(["other", "other", "missing", "wrapped", "renamed"]))
            if how == "other":
                node[place] = deepcopy(draw(st.sampled_from(VALUES)))
            elif how == "missing":
                del node[place]
            elif how == "wrapped":
                node[place] = draw(st.sampled_from(WRAPS)).around(below)
            elif isinstance(node, dict):
                node[draw(st.sampled_from(["Records", "message", "data", "detail", "body", "Event", "s3", ""]))] = below
            return
        node = below


def _opened(text: str) -> tuple[list[Any], Callable[[Any], str]] | None:
    """The document in a text, in a list to be changed in place, and the way back."""
    for decode, encode in ((lambda t: t, _json), (base64.b64decode, _base64)):
        try:
            document = json.loads(decode(text))
        except ValueError:
            continue
        if isinstance(document, dict | list):
            return [document], encode
    return None
