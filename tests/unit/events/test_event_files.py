"""Every file in `tests/events`, and what it must say. The files are AWS's and Google's own examples, as documented."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from replicator.events import looks_like_event, parse, parse_document
from replicator.model import Change, IgnoredEvent, Notice, SourceKey
from replicator.reasons import Reason

ReadEvent = Callable[[str], bytes]

EVENTBRIDGE = Change(
    source=SourceKey("amzn-s3-demo-bucket1", "example-key"),
    kind="Object Created",
    occurred_at=datetime(2021, 11, 12, tzinfo=UTC),
    event_id="17793124-05d4-b198-2fde-7ededc63b103",
    version_id="IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
    sequencer="617f08299329d189",
)
NOTIFICATION = Change(
    source=SourceKey("amzn-s3-demo-bucket", "example-key"),
    kind="ObjectCreated:Put",
    occurred_at=datetime(2021, 11, 12, tzinfo=UTC),
    event_id="C3D13FE58DE4C810",
    version_id="096fKKXTRTtl3on89fVO.nfljtsv6qko",
    sequencer="0055AED6DCD90281E5",
)
TEST_EVENT = IgnoredEvent("s3:TestEvent", Reason.TEST_EVENT)

KEYS = {
    "space": "red flower.jpg",
    "plus": "a+b/c+d.txt",
    "percent": "reports/100%/a%20b.txt",
    "unicode": "日本語/naïve Zoë.txt",
    "emoji": "photos/\N{FOX FACE} \N{WOMAN}\u200d\N{WOMAN}\u200d\N{GIRL}.png",
}


def ignored(kind: str) -> IgnoredEvent:
    return IgnoredEvent(kind, Reason.EVENT_TYPE_IGNORED)


def of_key(change: Change, key: str) -> Change:
    return replace(change, source=replace(change.source, key=key))


PERMANENTLY_DELETED = replace(
    EVENTBRIDGE,
    kind="Object Deleted",
    event_id="2ee9cc15-d022-99ea-1fb8-1b1bac4850fa",
    version_id="1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF",
    sequencer="617f0837b476e463",
)
REMOVED = replace(NOTIFICATION, kind="ObjectRemoved:Delete", version_id=None, sequencer="0055AED6DCD90281E6")
ARRAY: tuple[Notice, ...] = (
    EVENTBRIDGE,
    ignored("Object ACL Updated"),
    replace(of_key(PERMANENTLY_DELETED, "other-key"), version_id=None, sequencer="617f08299329d189"),
)
SEVERAL_RECORDS: tuple[Notice, ...] = (
    replace(of_key(NOTIFICATION, "first.txt"), event_id="AAAAAAAAAAAAAAAA"),
    ignored("ObjectAcl:Put"),
    replace(of_key(REMOVED, "third file.txt"), event_id="CCCCCCCCCCCCCCCC"),
)

EXPECTED: dict[str, tuple[Notice, ...]] = {
    "eventbridge/object-created": (EVENTBRIDGE,),
    "eventbridge/object-created-with-event-version": (EVENTBRIDGE,),
    "eventbridge/object-created-without-optional-fields": (replace(EVENTBRIDGE, version_id=None, sequencer=None),),
    "eventbridge/object-deleted-marker": (
        replace(PERMANENTLY_DELETED, event_id="2ee9cc15-d022-99ea-1fb8-1b1bac4850f9"),
    ),
    "eventbridge/object-deleted-permanent": (PERMANENTLY_DELETED,),
    "eventbridge/object-deleted-lifecycle": (
        replace(
            EVENTBRIDGE,
            kind="Object Deleted",
            event_id="ad1de317-e409-eba2-9552-30113f8d88e3",
            version_id="mtB0cV.jejK63XkRNceanNMC.qXPWLeK",
            sequencer="617b398000000000",
        ),
    ),
    "eventbridge/object-restore-initiated": (ignored("Object Restore Initiated"),),
    "eventbridge/object-restore-completed": (
        replace(
            EVENTBRIDGE,
            kind="Object Restore Completed",
            event_id="6924de0d-13e2-6bbf-c0c1-b903b753565e",
            sequencer=None,
        ),
    ),
    "eventbridge/object-restore-expired": (ignored("Object Restore Expired"),),
    "eventbridge/object-tags-added": (replace(EVENTBRIDGE, kind="Object Tags Added", sequencer=None),),
    "eventbridge/object-tags-deleted": (replace(EVENTBRIDGE, kind="Object Tags Deleted", sequencer=None),),
    "eventbridge/object-acl-updated": (ignored("Object ACL Updated"),),
    "eventbridge/object-storage-class-changed": (
        replace(EVENTBRIDGE, kind="Object Storage Class Changed", sequencer=None),
    ),
    "eventbridge/object-access-tier-changed": (ignored("Object Access Tier Changed"),),
    "eventbridge/cloudtrail-api-call": (ignored("AWS API Call via CloudTrail"),),
    "eventbridge/other-service": (ignored("EC2 Instance State-change Notification"),),
    "eventbridge/array": ARRAY,
    "notification/object-created": (NOTIFICATION,),
    "notification/object-created-unversioned": (
        replace(NOTIFICATION, kind="ObjectCreated:CompleteMultipartUpload", version_id=None),
    ),
    "notification/object-removed": (REMOVED,),
    "notification/object-removed-marker": (
        replace(REMOVED, kind="ObjectRemoved:DeleteMarkerCreated", version_id="1QW9g1Z99LUNbvaaYVpW9xDlOLU.qxgF"),
    ),
    "notification/lifecycle-expiration": (replace(REMOVED, kind="LifecycleExpiration:Delete"),),
    "notification/lifecycle-transition": (replace(NOTIFICATION, kind="LifecycleTransition", sequencer=None),),
    "notification/object-restore-completed": (replace(NOTIFICATION, kind="ObjectRestore:Completed", sequencer=None),),
    "notification/object-restore-initiated": (ignored("ObjectRestore:Post"),),
    "notification/object-restore-expired": (ignored("ObjectRestore:Delete"),),
    "notification/object-tagging-put": (replace(NOTIFICATION, kind="ObjectTagging:Put", sequencer=None),),
    "notification/object-acl-put": (ignored("ObjectAcl:Put"),),
    "notification/intelligent-tiering": (ignored("IntelligentTiering"),),
    "notification/replication-failed": (ignored("Replication:OperationFailedReplication"),),
    "notification/with-event-prefix": (NOTIFICATION,),
    "notification/several-records": SEVERAL_RECORDS,
    "notification/test-event": (TEST_EVENT,),
    "pubsub/eventbridge": (EVENTBRIDGE,),
    "pubsub/eventbridge-without-delivery-attempt": (EVENTBRIDGE,),
    "pubsub/eventbridge-array": ARRAY,
    "pubsub/notification": (NOTIFICATION,),
    "pubsub/several-records": SEVERAL_RECORDS,
    "pubsub/test-event": (TEST_EVENT,),
    "pubsub/sns": (NOTIFICATION,),
    "pubsub/sqs-with-sns": (NOTIFICATION,),
    "eventarc/binary": (EVENTBRIDGE,),
    "eventarc/structured": (EVENTBRIDGE,),
    "eventarc/structured-base64": (EVENTBRIDGE,),
    "eventarc/deepest": (NOTIFICATION,),
    "sns/notification": (NOTIFICATION,),
    "sns/test-event": (TEST_EVENT,),
    "sns/lambda": SEVERAL_RECORDS,
    "sqs/lambda": (NOTIFICATION,),
    "sqs/lambda-several-messages": (EVENTBRIDGE, *SEVERAL_RECORDS, TEST_EVENT),
    "sqs/lambda-with-sns": (NOTIFICATION,),
    "sqs/api-message": (NOTIFICATION,),
    "sqs/api-messages": (NOTIFICATION, EVENTBRIDGE),
    "sqs/api-messages-with-sns": (NOTIFICATION,),
    **{f"eventbridge/key-with-{name}": (of_key(EVENTBRIDGE, key),) for name, key in KEYS.items()},
    **{f"notification/key-with-{name}": (of_key(NOTIFICATION, key),) for name, key in KEYS.items()},
    **{f"pubsub/eventbridge-key-with-{name}": (of_key(EVENTBRIDGE, key),) for name, key in KEYS.items()},
    **{f"pubsub/notification-key-with-{name}": (of_key(NOTIFICATION, key),) for name, key in KEYS.items()},
}

PUSHED = {
    "pubsub/eventbridge": "eventbridge/object-created",
    "pubsub/eventbridge-without-delivery-attempt": "eventbridge/object-created",
    "pubsub/eventbridge-array": "eventbridge/array",
    "pubsub/notification": "notification/object-created",
    "pubsub/several-records": "notification/several-records",
    "pubsub/test-event": "notification/test-event",
    "pubsub/sns": "sns/notification",
    "pubsub/sqs-with-sns": "sqs/api-messages-with-sns",
    "eventarc/binary": "eventbridge/object-created",
    **{
        f"pubsub/{inner}-key-with-{name}": f"{inner}/key-with-{name}"
        for inner in ("eventbridge", "notification")
        for name in KEYS
    },
}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_event_says_what_is_expected(name: str, read_event: ReadEvent) -> None:
    assert parse(read_event(name)) == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_a_real_event_looks_like_one_and_reads_alike_when_already_decoded(name: str, read_event: ReadEvent) -> None:
    document = json.loads(read_event(name))

    assert looks_like_event(document)
    assert parse_document(document) == EXPECTED[name]


def test_no_file_is_left_untested(event_files: dict[str, bytes]) -> None:
    assert set(event_files) == set(EXPECTED)


@pytest.mark.parametrize("name", PUSHED)
def test_what_is_pushed_is_the_file_it_is_named_after(name: str, read_event: ReadEvent) -> None:
    data = json.loads(read_event(name))["message"]["data"]

    assert json.loads(b64decode(data)) == json.loads(read_event(PUSHED[name]))


def test_every_push_file_has_its_content_checked(event_files: dict[str, bytes]) -> None:
    assert {name for name in event_files if name.startswith("pubsub/")} <= set(PUSHED)
