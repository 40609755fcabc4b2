"""The parsers of envelopes: any key survives any envelope, and anything else is understood or malformed."""

import gzip
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import strategies as st

from replicator.errors import Permanent
from replicator.events import looks_like_event, parse
from replicator.events.parser import MAX_DEPTH, MAX_NOTICES
from replicator.model import Change, IgnoredEvent, SourceKey
from replicator.reasons import Reason
from tests.proof.hostile.envelopes import EVENTS, WRAPS, Enveloped, damaged, enveloped, eventbridge, notification
from tests.proof.hostile.fuzzing import Tally
from tests.proof.hostile.keys import EDGES, IMPOSSIBLE, REFUSED, any_key
from tests.proof.hostile.promises import EXCEPTION_TEXT
from tests.proof.hostile.values import VALUES, encoded, named

BUCKET = "bkt"
MARK = "do-not-repeat-this"
SECONDS = 2.0
"""For any body: a tenth of it has been seen on two cores. The bound is for what grows faster than the body."""

IGNORED = {Reason.EVENT_TYPE_IGNORED, Reason.TEST_EVENT}


TALLY = Tally()


@pytest.fixture
def tally(proof):
    TALLY.long = proof.long
    return TALLY


def read(tally: Tally, kind: str, body: bytes) -> tuple[Change | IgnoredEvent, ...] | None:
    """What a body says; `None` where it is malformed, which is said in words that do not repeat it."""
    try:
        notices = tally.timed("parser", kind, lambda: parse(body))
    except Permanent as error:
        assert error.reason is Reason.EVENT_MALFORMED
        assert MARK not in str(error)
        assert not EXCEPTION_TEXT.search(str(error))
        assert error.__cause__ is None
        assert error.__context__ is None or error.__suppress_context__
        notices = None
    assert tally.rows["parser", kind].longest < SECONDS
    return notices


def keys(notices) -> list[str] | None:
    return None if notices is None else [notice.source.key for notice in notices]


def test_the_parsers_hold_for_whatever_is_drawn(tally):

    def survives(case: tuple[Enveloped, bool]) -> None:
        whole, ascii_only = case
        expected = [whole.key] if whole.depth <= MAX_DEPTH else None
        assert keys(read(tally, "a whole envelope", whole.encoded(ascii_only=ascii_only))) == expected

    def understood_or_malformed(document: object) -> None:
        looks_like_event(document)
        notices = read(tally, "a damaged envelope", encoded(document))
        for notice in notices or ():
            if isinstance(notice, IgnoredEvent):
                assert notice.reason in IGNORED
            else:
                assert 1 <= len(notice.source.key.encode()) <= 1024
                assert 1 <= len(notice.source.bucket.encode()) <= 1024
        assert notices is None or notices

    def any_bytes(body: bytes) -> None:
        read(tally, "arbitrary bytes", body)

    def cut(case: tuple[Enveloped, float]) -> None:
        whole, share = case
        body = whole.encoded()
        assert read(tally, "a cut envelope", body[: int(len(body) * share)]) is None

    tally.fuzz(st.tuples(enveloped(any_key, BUCKET, most=8), st.booleans()), survives, 200, 3000)
    tally.fuzz(damaged(enveloped(any_key, BUCKET)), understood_or_malformed, 300, 5000)
    tally.fuzz(st.binary(max_size=200), any_bytes, 100, 3000)
    tally.fuzz(
        st.tuples(enveloped(any_key, BUCKET), st.floats(0, 1, exclude_max=True)),
        cut,
        50,
        1000,
    )


@pytest.mark.parametrize("key", EDGES + REFUSED, ids=named)
def test_every_edge_of_what_a_key_may_be_survives_every_event_in_every_envelope(tally, key):
    for make, _ in EVENTS:
        for wrap in WRAPS:
            assert keys(read(tally, "a whole envelope", encoded(wrap.around(make(key, BUCKET))))) == [key]


@pytest.mark.parametrize("key", IMPOSSIBLE, ids=named)
def test_what_cannot_be_a_key_is_malformed_in_every_event(tally, key):
    for make, _ in EVENTS:
        assert read(tally, "an impossible key", encoded(make(key, BUCKET))) is None


@pytest.mark.parametrize("key", ["%ff", "%C3", "%ed%a0%80", "%c0%af", "%f5%80%80%80", "%" * 3073])
def test_an_encoded_key_that_is_not_utf_8_or_too_long_to_be_one_is_malformed(tally, key):
    assert read(tally, "an impossible key", encoded(notification(key, BUCKET, str))) is None


@pytest.mark.parametrize("key", ["\ud800", "k\udfff", "\udfff\ud800"], ids=named)
def test_half_a_character_is_no_part_of_a_key(tally, key):
    """JSON can say it, UTF-8 and S3 cannot."""
    assert read(tally, "an impossible key", encoded(eventbridge(key, BUCKET))) is None
    assert read(tally, "an impossible key", encoded(notification(key, BUCKET, str))) is None
    assert read(tally, "an impossible key", encoded(eventbridge("k", key))) is None


def test_a_key_is_decoded_once_and_only_where_it_is_encoded(tally):
    """`+` is a space in a form, and itself everywhere else."""
    assert keys(read(tally, "edges", encoded(notification("a+b%2B%252B", BUCKET, lambda key: key)))) == ["a b+%2B"]
    assert keys(read(tally, "edges", encoded(eventbridge("a+b%2B%252B", BUCKET)))) == ["a+b%2B%252B"]
    assert keys(read(tally, "edges", encoded(notification("a b", BUCKET, quote)))) == ["a b"]


@pytest.mark.parametrize("wrap", WRAPS, ids=lambda wrap: wrap.name)
def test_envelopes_are_opened_to_the_documented_depth_and_no_further(tally, wrap):
    document = eventbridge("k", BUCKET)
    for count in range(1, 14):
        document = wrap.around(document)
        expected = ["k"] if count * wrap.depth <= MAX_DEPTH else None
        assert keys(read(tally, "nested envelopes", encoded(document))) == expected


def test_more_events_than_an_attempt_could_follow_are_refused(tally):
    event = eventbridge("k", BUCKET)
    assert len(read(tally, "many events", encoded([event] * MAX_NOTICES))) == MAX_NOTICES
    assert read(tally, "many events", encoded([event] * (MAX_NOTICES + 1))) is None
    assert read(tally, "many events", encoded([[event] * 100] * 11)) is None


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_no_value_in_any_place_of_an_event_is_taken_for_another(tally, value):
    """Whatever stands in a place that only people read, the event still names its key."""
    for place in ("id", "time", "version", "account", "region", "resources"):
        event = eventbridge("k", BUCKET, **{place: value})
        assert keys(read(tally, "a hostile value", encoded(event))) == ["k"]
    for place in ("version-id", "sequencer", "size", "etag", "other"):
        event = eventbridge("k", BUCKET)
        event["detail"]["object"][place] = value
        assert keys(read(tally, "a hostile value", encoded(event))) == ["k"]
    for place in ("eventVersion", "eventTime", "awsRegion", "userIdentity", "responseElements", "glacierEventData"):
        records = notification("k", BUCKET)
        records["Records"][0] |= {place: value}
        assert keys(read(tally, "a hostile value", encoded(records))) == ["k"]
    records = notification("k", BUCKET)
    records["Records"][0] |= {"responseElements": {"x-amz-request-id": value}}
    assert keys(read(tally, "a hostile value", encoded(records))) == ["k"]


@pytest.mark.parametrize("value", VALUES, ids=named)
def test_of_an_event_that_asks_for_nothing_only_its_type_is_read(tally, value):
    for event, reason in (
        (eventbridge("k", BUCKET, detail=value, **{"detail-type": "Object ACL Updated"}), Reason.EVENT_TYPE_IGNORED),
        (eventbridge("k", BUCKET, detail=value, source="aws.ec2"), Reason.EVENT_TYPE_IGNORED),
        ({"Records": [{"eventName": "ObjectAcl:Put", "s3": value}]}, Reason.EVENT_TYPE_IGNORED),
        ({"Event": "s3:TestEvent", "Bucket": value, "s3": value}, Reason.TEST_EVENT),
    ):
        [notice] = read(tally, "an event that asks for nothing", encoded(event))
        assert isinstance(notice, IgnoredEvent)
        assert notice.reason is reason


NOT_UTF_8: list[tuple[str, Callable[[str], bytes]]] = [
    ("UTF-16", lambda text: text.encode("utf-16")),
    ("UTF-16-BE", lambda text: text.encode("utf-16-be")),
    ("UTF-32", lambda text: text.encode("utf-32")),
    ("Latin-1", lambda text: text.encode("latin-1")),
    ("a byte order mark", lambda text: text.encode("utf-8-sig")),
    ("surrogates in UTF-8", lambda text: text.replace("é", "\ud83d\ude00").encode(errors="surrogatepass")),
    ("overlong UTF-8", lambda text: text.encode().replace(b"/", b"\xc0\xaf")),
    ("gzip", lambda text: gzip.compress(text.encode())),
    ("a control character", lambda text: text.encode().replace(b"aws.s3", b"aws\x00.s3")),
    ("a line feed in a string", lambda text: text.encode().replace(b"aws.s3", b"aws\n.s3")),
    ("a trailing comma", lambda text: text[:-1].encode() + b",}"),
    ("two documents", lambda text: text.encode() * 2),
    ("a comment", lambda text: b"//\n" + text.encode()),
    ("single quotes", lambda text: text.replace('"', "'").encode()),
]


@pytest.mark.parametrize(("name", "encode"), NOT_UTF_8, ids=[name for name, _ in NOT_UTF_8])
def test_what_is_not_json_in_utf_8_is_malformed(tally, name, encode):
    text = json.dumps(eventbridge("é/k", BUCKET), ensure_ascii=False)
    assert keys(read(tally, "edges", text.encode())) == ["é/k"]
    assert read(tally, "wrong encodings", encode(text)) is None


def test_of_a_field_that_is_there_twice_the_last_one_counts(tally):
    """As in most parsers of JSON, and the same for whoever forwards the message and whoever follows it."""
    body = encoded(eventbridge("first", BUCKET)).replace(b'"key": "first"', b'"key": "first", "key": "last"')
    assert keys(read(tally, "edges", body)) == ["last"]
    assert parse(body)[0].source == SourceKey(BUCKET, "last")


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"detail":' * 50_000,
        b"[" * 900 + b"]" * 900,
        b'{"Records":[' * 400 + b"]}" * 400,
        encoded({"message": {"data": "A" * 1_000_000}}),
        b"9" * 1_000_000,
        b'{"detail-type":"Object Created","source":' + b"9" * 400 + b"}",
        b"1e" + b"9" * 1_000_000,
        b"-" * 1_000_000,
        b'"' + b"\\" * 999_999 + b'"',
        b'"' + MARK.encode() * 50_000,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_deep_or_long_is_malformed_before_long(tally, body):
    assert read(tally, "deep and long", body) is None


def test_what_was_tried_is_reported(tally, proof):
    assert tally.rows
    proof.report("hostile-envelopes", tally.report())
