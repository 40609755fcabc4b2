from datetime import UTC, datetime

import pytest

from replicator.dev.page.buckets import SourceEntry, standing
from replicator.model import Receipt, SourceKey

MODIFIED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RECEIPT = Receipt(SourceKey("source", "a"), "etag", None, MODIFIED, 5, "digest", "CRC32C")


def entry(**changes):
    return SourceEntry(**{"key": "a", "size": 5, "etag": "etag", "last_modified": MODIFIED, **changes})


def test_a_receipt_for_what_the_listing_shows_is_in_sync():
    assert standing(RECEIPT, entry()) == "in_sync"


def test_a_listing_may_have_finer_times_than_the_receipt():
    assert standing(RECEIPT, entry(last_modified=MODIFIED.replace(microsecond=900_000))) == "in_sync"


@pytest.mark.parametrize("change", [{"etag": "other"}, {"size": 6}, {"last_modified": MODIFIED.replace(second=6)}])
def test_a_receipt_for_another_state_is_behind(change):
    assert standing(RECEIPT, entry(**change)) == "behind"


def test_a_replica_may_have_lost_its_source_or_never_had_one():
    assert standing(RECEIPT, None) == "source_gone"
    assert standing(None, entry()) == "no_receipt"
