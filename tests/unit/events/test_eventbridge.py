from datetime import UTC, datetime

import pytest

from replicator.errors import Permanent
from replicator.events import parse_document
from replicator.model import Change, IgnoredEvent, SourceKey
from replicator.reasons import Reason

Event = dict[str, object]


def event(**overrides: object) -> Event:
    """A minimal "Object Created"; `None` removes a field."""
    fields: Event = {
        "detail-type": "Object Created",
        "source": "aws.s3",
        "detail": {"bucket": {"name": "bkt"}, "object": {"key": "k"}},
        **{name.replace("_", "-"): value for name, value in overrides.items()},
    }
    return {name: value for name, value in fields.items() if value is not None}


def with_object(**described: object) -> Event:
    named = {name.replace("_", "-"): value for name, value in described.items()}
    return event(detail={"bucket": {"name": "bkt"}, "object": {"key": "k", **named}})


def change(document: Event) -> Change:
    (notice,) = parse_document(document)
    assert isinstance(notice, Change)
    return notice


def test_only_type_source_bucket_and_key_are_needed() -> None:
    assert change(event()) == Change(SourceKey("bkt", "k"), "Object Created")


@pytest.mark.parametrize("kind", ["Object Annotated In The Future", "Async Copy Completion", "object created"])
def test_types_that_are_not_on_the_list_are_ignored_without_a_look_at_the_rest(kind: str) -> None:
    assert parse_document(event(detail_type=kind, detail=None)) == (IgnoredEvent(kind, Reason.EVENT_TYPE_IGNORED),)


def test_an_event_of_another_service_is_ignored_even_if_its_type_is_one_of_s3s() -> None:
    notices = parse_document(event(source="com.example.shop"))

    assert notices == (IgnoredEvent("Object Created", Reason.EVENT_TYPE_IGNORED),)


@pytest.mark.parametrize(
    ("time", "moment"),
    [
        ("2021-11-12T00:00:00Z", datetime(2021, 11, 12, tzinfo=UTC)),
        ("2021-11-12T01:30:00+01:30", datetime(2021, 11, 12, tzinfo=UTC)),
        ("2021-11-12T00:00:00.250Z", datetime(2021, 11, 12, 0, 0, 0, 250_000, tzinfo=UTC)),
        (None, None),
        ("", None),
        ("yesterday", None),
        ("2021-11-12T00:00:00", None),
        ("0001-01-01T00:00:00+23:00", None),
        (1636675200, None),
        (["2021-11-12T00:00:00Z"], None),
    ],
)
def test_a_time_becomes_utc_and_an_unusable_one_is_no_reason_to_refuse(time: object, moment: datetime | None) -> None:
    occurred_at = change(event(time=time)).occurred_at

    assert occurred_at == moment
    assert occurred_at is None or occurred_at.tzinfo is UTC


@pytest.mark.parametrize("unusable", [7, "", [], {}, True, "\ud800", "x" * 1025])
def test_unusable_optional_fields_are_no_reason_to_refuse(unusable: object) -> None:
    document = with_object(version_id=unusable, sequencer=unusable, size=unusable, etag=unusable) | {"id": unusable}

    assert change(document) == Change(SourceKey("bkt", "k"), "Object Created")


def test_the_null_version_counts_as_none() -> None:
    assert change(with_object(version_id="null")).version_id is None


@pytest.mark.parametrize(
    "document",
    [
        event(source=None),
        event(source=7),
        event(detail_type=7),
        event(detail_type=""),
        event(detail_type="x" * 1025),
        event(detail=None),
        event(detail="Object Created"),
        event(detail=[]),
        event(detail={}),
        event(detail={"bucket": "bkt", "object": {"key": "k"}}),
        event(detail={"bucket": {}, "object": {"key": "k"}}),
        event(detail={"bucket": {"name": ""}, "object": {"key": "k"}}),
        event(detail={"bucket": {"name": ["bkt"]}, "object": {"key": "k"}}),
        event(detail={"bucket": {"name": "bkt"}}),
        event(detail={"bucket": {"name": "bkt"}, "object": {}}),
        event(detail={"bucket": {"name": "bkt"}, "object": "k"}),
        with_object(key=""),
        with_object(key=None),
        with_object(key=7),
        with_object(key="\ud800"),
        with_object(key="k" * 1025),
        with_object(key="é" * 513),
    ],
)
def test_an_event_that_does_not_properly_name_its_object_is_malformed(document: Event) -> None:
    with pytest.raises(Permanent) as refusal:
        parse_document(document)

    assert refusal.value.reason is Reason.EVENT_MALFORMED


@pytest.mark.parametrize("key", ["k" * 1024, "é" * 512, " ", "\n", "+", "%", "%2B", "a/../b", "\0"])
def test_a_key_is_taken_as_it_is(key: str) -> None:
    assert change(with_object(key=key)).source.key == key
