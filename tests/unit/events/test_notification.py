import pytest

from replicator.errors import Permanent
from replicator.events import parse_document
from replicator.model import Change, IgnoredEvent, SourceKey
from replicator.reasons import Reason

Record = dict[str, object]


def record(**overrides: object) -> Record:
    """A minimal "ObjectCreated:Put"; `None` removes a field."""
    fields: Record = {
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "bkt"}, "object": {"key": "k"}},
        **overrides,
    }
    return {name: value for name, value in fields.items() if value is not None}


def with_object(**described: object) -> Record:
    return record(s3={"bucket": {"name": "bkt"}, "object": {"key": "k", **described}})


def change(document: Record) -> Change:
    (notice,) = parse_document({"Records": [document]})
    assert isinstance(notice, Change)
    return notice


def test_only_name_bucket_and_key_are_needed() -> None:
    assert change(record()) == Change(SourceKey("bkt", "k"), "ObjectCreated:Put")


@pytest.mark.parametrize(
    "name",
    [
        "ObjectCreated:Put",
        "ObjectCreated:Post",
        "ObjectCreated:Copy",
        "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:SomethingOfTheFuture",
        "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated",
        "ObjectRestore:Completed",
        "ObjectTagging:Put",
        "ObjectTagging:Delete",
        "LifecycleExpiration:Delete",
        "LifecycleExpiration:DeleteMarkerCreated",
        "LifecycleTransition",
    ],
)
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_events_that_can_change_what_is_replicated_are_changes_with_or_without_prefix(name: str, prefix: str) -> None:
    assert change(record(eventName=prefix + name)).kind == name


@pytest.mark.parametrize(
    "name",
    [
        "ReducedRedundancyLostObject",
        "ObjectRestore:Post",
        "ObjectRestore:Delete",
        "Replication:OperationMissedThreshold",
        "IntelligentTiering",
        "ObjectAcl:Put",
        "ObjectAnnotation:Put",
        "ObjectRetention:Put",
        "SomethingOfTheFuture",
        "ObjectCreatedNot:Put",
    ],
)
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_all_other_events_are_ignored_without_a_look_at_their_object(name: str, prefix: str) -> None:
    notices = parse_document({"Records": [record(eventName=prefix + name, s3={})]})

    assert notices == (IgnoredEvent(name, Reason.EVENT_TYPE_IGNORED),)


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("red+flower.jpg", "red flower.jpg"),
        ("red%20flower.jpg", "red flower.jpg"),
        ("a%2Bb", "a+b"),
        ("a%252Bb", "a%2Bb"),
        ("100%25", "100%"),
        ("%E6%97%A5%e6%9c%ac", "日本"),
        ("日本", "日本"),
        ("%F0%9F%A6%8A", "\N{FOX FACE}"),
        ("a/b", "a/b"),
        ("a%2Fb", "a/b"),
        ("%C3%A9" * 512, "é" * 512),
    ],
)
def test_a_key_is_decoded_as_in_a_form_and_only_once(encoded: str, key: str) -> None:
    assert change(with_object(key=encoded)).source.key == key


@pytest.mark.parametrize("nothing", [None, "", "null", 7, {}])
def test_no_version_and_the_null_version_count_as_none(nothing: object) -> None:
    assert change(with_object(versionId=nothing)).version_id is None


@pytest.mark.parametrize("elements", [None, [], {}, {"x-amz-request-id": 7}, "C3D13FE58DE4C810"])
def test_a_missing_request_id_is_no_reason_to_refuse(elements: object) -> None:
    assert change(record(responseElements=elements)).event_id is None


def test_a_record_that_a_forwarder_took_out_of_its_list_is_understood() -> None:
    assert parse_document(record()) == (Change(SourceKey("bkt", "k"), "ObjectCreated:Put"),)


@pytest.mark.parametrize(
    "document",
    [
        record(eventName=None),
        record(eventName=7),
        record(eventName=""),
        record(s3=None),
        record(s3="bkt/k"),
        record(s3={"bucket": {"name": ""}, "object": {"key": "k"}}),
        record(s3={"bucket": {"name": 7}, "object": {"key": "k"}}),
        record(s3={"object": {"key": "k"}}),
        record(s3={"bucket": {"name": "bkt"}}),
        record(s3={"bucket": {"name": "bkt"}, "object": {}}),
        with_object(key=None),
        with_object(key=""),
        with_object(key=7),
        with_object(key="%FF"),
        with_object(key="%ED%A0%80"),
        with_object(key="\ud800"),
        with_object(key="k" * 1025),
        with_object(key="%C3%A9" * 513),
    ],
)
def test_a_record_that_does_not_properly_name_its_object_is_malformed(document: Record) -> None:
    with pytest.raises(Permanent) as refusal:
        parse_document({"Records": [document]})

    assert refusal.value.reason is Reason.EVENT_MALFORMED
