"""What holds for every input, and for every key that S3 can hold."""

import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replicator.errors import Permanent
from replicator.events import encode, eventbridge, looks_like_event, notification, parse, parse_document
from replicator.model import Change, SourceKey
from replicator.reasons import Reason

quick = settings(max_examples=200)

# The words of the envelopes, so that what is arbitrary gets further than the door.
NAMES = [
    "Records",
    "Messages",
    "message",
    "data",
    "specversion",
    "data_base64",
    "Type",
    "Message",
    "Sns",
    "body",
    "Body",
    "detail-type",
    "source",
    "time",
    "id",
    "detail",
    "bucket",
    "name",
    "object",
    "key",
    "version-id",
    "sequencer",
    "s3",
    "eventName",
    "eventTime",
    "responseElements",
    "x-amz-request-id",
    "versionId",
    "Event",
]
VALUES = [
    "Notification",
    "aws.s3",
    "Object Created",
    "ObjectCreated:Put",
    "s3:TestEvent",
    "2021-11-12T00:00:00Z",
    "%FF",
]

any_text = st.text(st.characters())  # with lone surrogates, which JSON can express
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | any_text, inner, max_size=5)
        | inner.map(json.dumps)
        | inner.map(lambda value: b64encode(json.dumps(value).encode()).decode())
    ),
    max_leaves=20,
)
keys = st.text(min_size=1).filter(lambda key: len(key.encode()) <= 1024)


def assert_understood_or_malformed(read: Callable[[], object]) -> None:
    try:
        assert read()
    except Permanent as error:
        assert error.reason is Reason.EVENT_MALFORMED


@quick
@given(st.binary())
def test_any_bytes_are_understood_or_malformed(body: bytes) -> None:
    assert_understood_or_malformed(lambda: parse(body))


@quick
@given(json_values)
def test_any_json_is_understood_or_malformed(document: object) -> None:
    looks_like_event(document)
    assert_understood_or_malformed(lambda: parse_document(document))
    assert_understood_or_malformed(lambda: parse(json.dumps(document).encode()))


REAL = ["eventbridge/array", "notification/several-records", "eventarc/structured", "sns/lambda", "sqs/lambda-with-sns"]


@pytest.mark.parametrize("name", REAL)
def test_a_real_event_with_any_damage_is_understood_or_malformed(name: str, event_files: dict[str, bytes]) -> None:
    @quick
    @given(st.data())
    def check(data: st.DataObject) -> None:
        document = [json.loads(event_files[name])]
        damage(document, data)
        assert_understood_or_malformed(lambda: parse_document(document))

    check()


def damage(node: object, data: st.DataObject) -> None:
    """Walk from the root to a random place, and put something else there."""
    while isinstance(node, dict | list) and node:
        place = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        below = node[place]
        if not isinstance(below, dict | list) or data.draw(st.booleans()):
            node[place] = data.draw(json_values)
            return
        node = below


def read_key(document: object, ensure_ascii: bool) -> str:
    (notice,) = parse(json.dumps(document, ensure_ascii=ensure_ascii).encode())
    assert isinstance(notice, Change)
    return notice.source.key


@quick
@given(keys, st.booleans())
def test_any_key_survives_eventbridge(key: str, ensure_ascii: bool) -> None:
    detail = {"bucket": {"name": "bkt"}, "object": {"key": key}}
    event = {"detail-type": "Object Created", "source": "aws.s3", "detail": detail}

    assert read_key(event, ensure_ascii) == key


@quick
@given(keys, st.booleans(), st.sampled_from([quote_plus, quote, lambda key: quote_plus(key, safe="/")]))
def test_any_key_survives_a_notification(key: str, ensure_ascii: bool, encode: Callable[[str], str]) -> None:
    s3 = {"bucket": {"name": "bkt"}, "object": {"key": encode(key)}}

    assert read_key({"Records": [{"eventName": "ObjectCreated:Put", "s3": s3}]}, ensure_ascii) == key


# --- The way back -----------------------------------------------------------------------------------------------------

families = st.sampled_from(sorted(notification.CHANGING_FAMILIES))
members = st.sampled_from(["Put", "CompleteMultipartUpload", "DeleteMarkerCreated", ""]) | st.text(max_size=20)
kinds = (
    st.sampled_from(sorted(eventbridge.CHANGES | notification.CHANGES))
    | families
    | st.builds("{}:{}".format, families, members)
)
optional_texts = st.none() | keys
times = st.none() | st.datetimes(timezones=st.just(UTC)) | st.just(datetime(2026, 1, 1, tzinfo=UTC))
changes = st.builds(
    Change,
    source=st.builds(SourceKey, bucket=keys, key=keys),
    kind=kinds,
    occurred_at=times,
    event_id=optional_texts,
    version_id=optional_texts.filter(lambda version: version != "null"),
    sequencer=optional_texts,
)


@quick
@given(changes)
def test_any_change_survives_a_message_of_our_own(change: Change) -> None:
    assert parse(encode(change)) == (change,)
