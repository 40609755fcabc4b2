"""`decide` over every combination of source state, destination state and rule."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest

from replicator.decide import MAX_OBJECT_SIZE, Copy, Delete, Nothing, UpdateMetadata, decide
from replicator.errors import Permanent
from replicator.model import Checksum, ContentHeaders, DestinationName, DestinationObject, Result, SourceKey
from replicator.reasons import Reason
from replicator.receipt import receipt_of
from replicator.rules import Deletes, Foreign, Rule, RuleSet
from tests.fakes import EPOCH, InMemorySource, crc32c

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
DATA = b"content"
NOW = InMemorySource("source").put(KEY, DATA, last_modified=EPOCH + timedelta(days=1))

SOURCES = {
    "absent": None,
    "present": NOW,
    "archived": replace(NOW, archived=True, storage_class="GLACIER"),
    "too large": replace(NOW, size=MAX_OBJECT_SIZE + 1, checksum=None),
}

FOREIGN = DestinationObject(NAME, generation=7, metageneration=2, size=5, crc32c=crc32c(b"other"))
SAME_BYTES = replace(FOREIGN, size=NOW.size, crc32c=crc32c(DATA), md5=NOW.checksum.digest)


def replica(**changes):
    """A replica of `NOW` whose receipt differs in `changes`."""
    receipt = replace(receipt_of(NOW), **changes)
    return replace(SAME_BYTES, receipt=receipt, custom_time=receipt.last_modified)


BEFORE = NOW.last_modified - timedelta(hours=1)
AFTER = NOW.last_modified + timedelta(hours=1)

DESTINATIONS = {
    "absent": None,
    "in sync": replica(),
    "in sync, checked otherwise": replica(checked="none"),
    "older metadata": replica(last_modified=BEFORE, metadata_digest="0" * 32),
    "newer metadata": replica(last_modified=AFTER),
    "older version id": replica(last_modified=BEFORE, version_id="v0"),
    "other bytes": replica(etag="0" * 32, last_modified=BEFORE),
    "other size": replica(size=3, last_modified=BEFORE),
    "foreign": FOREIGN,
    "foreign, same bytes": SAME_BYTES,
    "foreign, same bytes, later custom time": replace(SAME_BYTES, custom_time=AFTER),
    "replica of another source that still goes here": replica(source=SourceKey("source-2", "k")),
    "replica of a source that no longer goes here": replica(source=SourceKey("elsewhere", "k")),
}

COPY_CHANGED = Copy(NOW, 7, Reason.SOURCE_CHANGED)
COPY_FOREIGN = Copy(NOW, 7, Reason.FOREIGN_OVERWRITTEN)

# What a present, copyable source asks for. Where that is a copy of a foreign object, `keep` keeps it.
PRESENT = {
    "absent": Copy(NOW, 0, Reason.DESTINATION_ABSENT),
    "in sync": Nothing(Result.UNCHANGED, Reason.IN_SYNC),
    "in sync, checked otherwise": Nothing(Result.UNCHANGED, Reason.IN_SYNC),
    "older metadata": UpdateMetadata(NOW, DESTINATIONS["older metadata"], Reason.METADATA_CHANGED, "MD5"),
    "newer metadata": COPY_CHANGED,
    "older version id": UpdateMetadata(NOW, DESTINATIONS["older version id"], Reason.METADATA_CHANGED, "MD5"),
    "other bytes": COPY_CHANGED,
    "other size": COPY_CHANGED,
    "foreign": COPY_FOREIGN,
    "foreign, same bytes": UpdateMetadata(NOW, SAME_BYTES, Reason.ADOPTED, "MD5"),
    "foreign, same bytes, later custom time": COPY_FOREIGN,
    "replica of another source that still goes here": Reason.DESTINATION_CONFLICT,
    "replica of a source that no longer goes here": UpdateMetadata(
        NOW, DESTINATIONS["replica of a source that no longer goes here"], Reason.ADOPTED, "MD5"
    ),
}


def expected(source, destination, deletes, foreign):
    """The table, in the words of the protocol rather than of the code."""
    if source == "absent":
        if destination == "absent":
            return Nothing(Result.UNCHANGED, Reason.SOURCE_NOT_FOUND)
        if destination.startswith(("foreign", "replica of")):
            return Nothing(Result.KEPT, Reason.SOURCE_NOT_FOUND)
        if deletes is Deletes.PROPAGATE:
            return Delete(DESTINATIONS[destination])
        return Nothing(Result.KEPT, Reason.DELETES_IGNORED)
    action = PRESENT[destination]
    if source == "too large" and destination != "replica of another source that still goes here":
        # Another size can be neither in sync nor the same bytes: always a copy, unless a foreign object is kept.
        own = destination.startswith(("in sync", "older", "newer", "other", "absent"))
        return (
            Nothing(Result.KEPT, Reason.FOREIGN_KEPT)
            if foreign is Foreign.KEEP and not own
            else (Reason.SOURCE_TOO_LARGE)
        )
    if foreign is Foreign.KEEP and action == COPY_FOREIGN:
        return Nothing(Result.KEPT, Reason.FOREIGN_KEPT)
    if source == "archived" and isinstance(action, Copy):
        return Reason.SOURCE_ARCHIVED
    if source == "archived" and isinstance(action, UpdateMetadata):
        return replace(action, source=SOURCES["archived"])
    return action


@pytest.mark.parametrize(
    ("source", "destination", "deletes", "foreign"), list(product(SOURCES, DESTINATIONS, Deletes, Foreign))
)
def test_every_combination_has_its_action(source, destination, deletes, foreign):
    rule = Rule("r", frozenset({"source", "source-2"}), "replica", deletes, foreign)
    try:
        action = decide(KEY, DESTINATIONS[destination], SOURCES[source], rule, RuleSet((rule,)))
    except Permanent as error:
        action = error.reason
    assert action == expected(source, destination, deletes, foreign)


def test_bytes_without_a_common_checksum_are_never_taken_for_the_same():
    rule = Rule("r", frozenset({"source"}), "replica")
    for checksum in (None, Checksum("CRC64NVME", b"12345678")):
        source = replace(NOW, checksum=checksum, md5=None)
        for found in (SAME_BYTES, replace(SAME_BYTES, md5=None)):
            assert decide(KEY, found, source, rule, RuleSet((rule,))) == Copy(source, 7, Reason.FOREIGN_OVERWRITTEN)


def test_a_composed_object_is_adopted_by_its_crc32c():
    rule = Rule("r", frozenset({"source"}), "replica", foreign=Foreign.KEEP)
    source = replace(NOW, checksum=Checksum("CRC32C", crc32c(DATA)))
    composed = replace(SAME_BYTES, md5=None)
    assert decide(KEY, composed, source, rule, RuleSet((rule,))) == UpdateMetadata(
        source, composed, Reason.ADOPTED, "CRC32C"
    )


def test_an_md5_beside_another_checksum_is_enough_to_adopt():
    """S3 adds a CRC64NVME to uploads that bring no checksum; Cloud Storage has none."""
    rule = Rule("r", frozenset({"source"}), "replica", foreign=Foreign.KEEP)
    source = replace(NOW, checksum=Checksum("CRC64NVME", b"12345678"))
    assert decide(KEY, SAME_BYTES, source, rule, RuleSet((rule,))) == UpdateMetadata(
        source, SAME_BYTES, Reason.ADOPTED, "MD5"
    )


def test_a_change_of_metadata_within_the_same_second_is_seen():
    rule = Rule("r", frozenset({"source"}), "replica")
    source = replace(NOW, headers=ContentHeaders(content_type="text/html"))
    assert decide(KEY, replica(), source, rule, RuleSet((rule,))) == UpdateMetadata(
        source, replica(), Reason.METADATA_CHANGED, "MD5"
    )


def test_bytes_that_were_never_checked_stay_unchecked_when_only_metadata_changes():
    rule = Rule("r", frozenset({"source"}), "replica")
    unchecked = replica(checked="none", last_modified=BEFORE)
    assert decide(KEY, unchecked, NOW, rule, RuleSet((rule,))).checked == "none"
