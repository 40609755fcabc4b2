"""Several sources as one: each bucket is read with its own, and what is in no rule with none."""

import pytest

from replicator.adapters.source_by_bucket import SourceByBucket
from replicator.errors import Permanent
from replicator.model import CompositeChecksum, SourceKey
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


@pytest.mark.parametrize("key", [ONE, TWO])
def test_everything_is_passed_on(accounts, key):
    side, source = accounts[key.bucket], SourceByBucket(accounts)
    state = side.put(key, b"hello", checksum=None)
    side.composites[key] = CompositeChecksum("MD5", b"digest", 3)
    buffer = memoryview(bytearray(9))
    with source.read(key) as (read_state, body):
        assert (read_state, body.readinto(buffer)) == (state, 5)
    with source.open(state, 1, 2) as body:
        assert body.readinto(buffer) == 2
    assert bytes(buffer[:2]) == b"el"
    assert source.checksum(state) == side.composites[key]


def test_a_bucket_is_checked_with_its_own_source(accounts):
    accounts["two"].buckets.clear()
    source = SourceByBucket(accounts)
    source.check("one")
    with pytest.raises(Permanent):
        source.check("two")


@pytest.mark.parametrize("operation", ["stat", "read", "open", "checksum", "check"])
def test_a_bucket_that_is_in_no_rule_is_read_with_nobodys_keys(accounts, operation):
    source = SourceByBucket(accounts)
    state = accounts["one"].stat(OTHER)
    with pytest.raises(Permanent) as foreign:
        {
            "stat": lambda: source.stat(OTHER),
            "read": lambda: source.read(OTHER),
            "open": lambda: source.open(state),
            "checksum": lambda: source.checksum(state),
            "check": lambda: source.check("other"),
        }[operation]()
    assert foreign.value.reason is Reason.BUCKET_NOT_IN_RULES
