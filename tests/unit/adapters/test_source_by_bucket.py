"""Several sources as one: each bucket is read with its own, and what is in no rule with none."""

import pytest

from replicator.adapters.source_by_bucket import SourceByBucket
from replicator.errors import Permanent
from replicator.model import SourceKey
from replicator.reasons import Reason
from tests.fakes import InMemorySource

ONE, TWO, OTHER = SourceKey("one", "k"), SourceKey("two", "k"), SourceKey("other", "k")


@pytest.fixture
def accounts() -> dict[str, InMemorySource]:
    """Two accounts, which both have a bucket of every name: only the right one may be asked."""
    found = {name: InMemorySource("one", "two", "other") for name in ("one", "two")}
    for name, side in found.items():
        for key in (ONE, TWO, OTHER):
            side.put(key, f"in account {name}".encode())
    return found


def read(source: SourceByBucket, key: SourceKey) -> bytes:
    state = source.stat(key)
    with source.open(state) as body:
        body.readinto(memoryview(data := bytearray(state.size)))
    return bytes(data)


@pytest.mark.parametrize("key", [ONE, TWO])
def test_a_bucket_is_read_with_its_own_source(accounts, key):
    assert read(SourceByBucket(accounts), key) == f"in account {key.bucket}".encode()


def test_a_bucket_is_checked_with_its_own_source(accounts):
    accounts["two"].buckets.clear()
    source = SourceByBucket(accounts)
    source.check("one")
    with pytest.raises(Permanent):
        source.check("two")


@pytest.mark.parametrize("operation", ["stat", "open", "check"])
def test_a_bucket_that_is_in_no_rule_is_read_with_nobodys_keys(accounts, operation):
    source = SourceByBucket(accounts)
    state = accounts["one"].stat(OTHER)
    with pytest.raises(Permanent) as foreign:
        {
            "stat": lambda: source.stat(OTHER),
            "open": lambda: source.open(state),
            "check": lambda: source.check("other"),
        }[operation]()
    assert foreign.value.reason is Reason.BUCKET_NOT_IN_RULES
