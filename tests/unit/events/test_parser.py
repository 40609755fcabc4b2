import json
from base64 import b64encode

import pytest

from replicator.errors import Permanent
from replicator.events import looks_like_event, parse, parse_document
from replicator.events.parser import MAX_DEPTH, MAX_NOTICES
from replicator.model import Change, SourceKey
from replicator.reasons import Reason

EVENT = {
    "detail-type": "Object Created",
    "source": "aws.s3",
    "detail": {"bucket": {"name": "bkt"}, "object": {"key": "k"}},
}
CHANGE = Change(SourceKey("bkt", "k"), "Object Created")
RECORD = {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "bkt"}, "object": {"key": "k"}}}


def push(data: bytes) -> bytes:
    return json.dumps({"message": {"data": b64encode(data).decode()}}).encode()


def assert_refused(body: bytes) -> Permanent:
    with pytest.raises(Permanent) as raised:
        parse(body)
    assert raised.value.reason is Reason.EVENT_MALFORMED
    return raised.value


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"secret",
        b'{"secret":',
        b'"secret"',
        b"null",
        b"true",
        b"7",
        b"NaN",
        b"{}",
        b'{"secret":"secret"}',
        b'{"bucket":"secret","key":"secret"}',
        b"\xff\xfe",
        b'{"secret":"\xff"}',
        json.dumps(EVENT).encode("utf-16"),
        b'{"message":{}}',
        b'{"message":{"data":null}}',
        b'{"message":{"data":7}}',
        b'{"message":{"data":""}}',
        b'{"message":{"data":"secret"}}',
        b'{"message":{"data":"c2VjcmV0!"}}',
        '{"message":{"data":"sécret"}}'.encode(),
        b'{"message":"secret"}',
        push(b"secret"),
        push(b"\xff"),
        push(b'{"secret":1}'),
        b'{"specversion":"1.0"}',
        b'{"specversion":"1.0","data":"secret"}',
        b'{"specversion":"1.0","data_base64":"!"}',
        b'{"Type":"Notification","Message":"secret"}',
        b'{"Type":"Notification","Message":{}}',
        b'{"Type":"SubscriptionConfirmation","Message":"secret"}',
        b'{"Body":"secret"}',
        b'{"body":null}',
        b'{"Records":{}}',
        b'{"Records":"secret"}',
        b'{"Records":[7]}',
        b'{"Records":[{"Sns":"secret"}]}',
        b'{"Records":[{"eventSource":"aws:kinesis","kinesis":{"data":"secret"}}]}',
        b'{"Messages":null}',
        b'{"Event":"s3:SecretEvent"}',
    ],
)
def test_anything_else_is_malformed_and_the_refusal_does_not_repeat_it(body: bytes) -> None:
    error = assert_refused(body)

    assert 0 < len(error.detail) < 100
    assert "secret" not in str(error).lower()
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize("damage", [b"\xff", b"\xed\xa0\x80", b"\xc0\xaf", b"\xe6\x97"])
def test_an_event_whose_key_is_not_utf8_is_malformed_rather_than_replicated_under_another_key(damage: bytes) -> None:
    body = json.dumps(EVENT).encode().replace(b'"k"', b'"k' + damage + b'"')

    assert_refused(body)
    assert_refused(push(body))


@pytest.mark.parametrize("damage", ["!", " ", "\n", "-", "é", "="])
def test_base64_is_taken_strictly_even_where_an_event_would_come_out(damage: str) -> None:
    data = b64encode(json.dumps(EVENT).encode()).decode()

    assert parse(json.dumps({"message": {"data": data}}).encode()) == (CHANGE,)
    assert_refused(json.dumps({"message": {"data": data[:8] + damage + data[8:]}}).encode())


@pytest.mark.parametrize("body", [b"[]", b'{"Records":[]}', b'{"Messages":[]}', b"[[]]"])
def test_an_empty_batch_is_malformed_because_acknowledging_it_would_hide_a_forwarder_that_loses_events(
    body: bytes,
) -> None:
    assert_refused(body)


def test_one_malformed_event_condemns_the_batch_so_that_all_of_it_reaches_the_dead_letters() -> None:
    assert_refused(json.dumps([EVENT, {"detail-type": "Object Created", "source": "aws.s3"}]).encode())


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 100_000, "-" + "9" * 5000])
def test_numbers_of_any_size_are_harmless(number: str) -> None:
    body = json.dumps(EVENT).replace('"key": "k"', f'"key": "k", "size": {number}').encode()

    assert parse(body) == (CHANGE,)


def test_of_repeated_names_the_last_one_counts() -> None:
    assert parse(b'{"source":7,' + json.dumps(EVENT).encode()[1:]) == (CHANGE,)


def test_events_are_reported_in_their_order() -> None:
    batch = [RECORD | {"eventName": f"ObjectCreated:{n}"} for n in range(3)]

    assert [notice.kind for notice in parse_document({"Records": batch})] == [
        "ObjectCreated:0",
        "ObjectCreated:1",
        "ObjectCreated:2",
    ]


def test_a_batch_of_the_largest_size_is_understood() -> None:
    assert parse_document([EVENT] * MAX_NOTICES) == (CHANGE,) * MAX_NOTICES


@pytest.mark.parametrize(
    "batch", [[EVENT] * (MAX_NOTICES + 1), [[EVENT] * MAX_NOTICES, EVENT], [{"Records": [RECORD] * 100}] * 11]
)
def test_a_larger_batch_is_malformed_however_it_is_divided(batch: list[object]) -> None:
    assert_refused(json.dumps(batch).encode())


def nested(depth: int) -> bytes:
    return b"[" * depth + json.dumps(EVENT).encode() + b"]" * depth


def test_as_many_envelopes_as_are_allowed_are_opened() -> None:
    assert parse(nested(MAX_DEPTH)) == (CHANGE,)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 500, 1_000_000])
def test_more_envelopes_are_malformed_even_where_reading_them_would_exhaust_the_stack(depth: int) -> None:
    assert_refused(nested(depth))


def test_strings_in_strings_are_bounded_too() -> None:
    body = json.dumps(EVENT)
    for _ in range(MAX_DEPTH + 1):
        body = json.dumps({"Body": body})

    assert_refused(body.encode())


def test_deep_json_is_harmless_where_nobody_looks() -> None:
    body = json.dumps(EVENT)[:-1] + ',"resources":' + "[" * 500 + "]" * 500 + "}"

    assert parse(body.encode()) == (CHANGE,)


def test_a_document_that_contains_itself_ends_too() -> None:
    endless: list[object] = []
    endless.append(endless)

    with pytest.raises(Permanent):
        parse_document(endless)


@pytest.mark.parametrize(
    "document",
    [
        {"s3_bucket": "b", "s3_key": "k"},
        {"bucket": "b", "key": "k"},
        {"bucket": "b", "key": "k", "version_id": "v", "dry_run": True},
        {"src_bucket": "b", "src_key": "k", "dest_bucket": "d", "dest_key": "e"},
        {"items": [{"bucket": "b", "key": "k"}]},
        {"message": "hello"},
        {"Type": "SubscriptionConfirmation", "Message": "hello"},
        {},
        None,
        "Records",
        7,
    ],
)
def test_a_direct_request_does_not_look_like_an_event(document: object) -> None:
    assert not looks_like_event(document)


@pytest.mark.parametrize(
    "document",
    [[], {"Records": None}, {"message": {}}, {"detail-type": 7}, {"s3": 7}, {"Body": 7}, {"specversion": 1, "data": 7}],
)
def test_a_damaged_event_still_looks_like_one_so_that_it_is_refused_as_one(document: object) -> None:
    assert looks_like_event(document)
    with pytest.raises(Permanent):
        parse_document(document)
