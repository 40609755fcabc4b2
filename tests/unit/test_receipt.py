"""Receipts: what one holds, when it still holds, and that a forged or damaged one counts as none."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.fidelity import MAX_VALUE
from replicator.model import Checksum, ContentHeaders, NotHeld, Receipt, SourceKey, SourceObject
from replicator.receipt import METADATA_KEY, decode, encode, holds, holds_bytes_of, receipt_of

SOURCE = SourceObject(
    key=SourceKey("source", "a/ü k"),
    etag="5d41402abc4b2a76b9719d911017c592",
    version_id="v1",
    last_modified=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    size=5,
    headers=ContentHeaders("text/plain"),
    metadata={"colour": "blue", "shape": "round"},
    checksum=Checksum("CRC64NVME", b"12345678"),
)
RECEIPT = receipt_of(SOURCE)


def decoded(text: str) -> Receipt | None:
    return decode({METADATA_KEY: text})


def test_a_receipt_names_the_source_state_and_the_check_its_bytes_passed():
    assert (RECEIPT.source, RECEIPT.etag, RECEIPT.version_id, RECEIPT.last_modified, RECEIPT.size) == (
        SOURCE.key,
        SOURCE.etag,
        "v1",
        SOURCE.last_modified,
        5,
    )
    assert RECEIPT.checked == "CRC64NVME"
    assert receipt_of(replace(SOURCE, checksum=None)).checked == "none"


# --- Comparing --------------------------------------------------------------------------------------------------------

CHANGES_OF_BYTES = [{"etag": "other"}, {"size": 6}, {"key": SourceKey("source", "other")}]
CHANGES_BESIDE_THE_BYTES = [
    {"version_id": "v2"},
    {"version_id": None},
    {"last_modified": SOURCE.last_modified + timedelta(seconds=1)},
    {"headers": ContentHeaders("text/html")},
    {"headers": ContentHeaders("text/plain", cache_control="no-cache")},
    {"headers": ContentHeaders(content_encoding="text/plain")},
    {"metadata": {}},
    {"metadata": {"colour": "blue"}},
    {"metadata": {"colour": "red", "shape": "round"}},
    {"metadata": {"colour": "round", "shape": "blue"}},
    {"tags": {"colour": "blue"}},
    {"expires": "never"},
    {"website_redirect": "/other"},
]


def test_each_property_beside_the_bytes_has_its_own_place_in_the_digest():
    changes = [{"tags": {"a": "b"}}, {"metadata": {"a": "b"}}, {"expires": "a"}, {"website_redirect": "a"}]
    assert len({receipt_of(replace(SOURCE, **change)).metadata_digest for change in changes}) == len(changes)


def test_a_receipt_holds_the_state_it_was_made_for():
    assert holds(RECEIPT, SOURCE)
    assert holds_bytes_of(RECEIPT, SOURCE)


@pytest.mark.parametrize("change", CHANGES_OF_BYTES)
def test_a_receipt_does_not_hold_other_bytes(change):
    changed = replace(SOURCE, **change)
    assert not holds(RECEIPT, changed)
    assert not holds_bytes_of(RECEIPT, changed)


@pytest.mark.parametrize("change", CHANGES_BESIDE_THE_BYTES)
def test_a_receipt_holds_the_bytes_of_a_state_that_differs_beside_them(change):
    changed = replace(SOURCE, **change)
    assert not holds(RECEIPT, changed)
    assert holds_bytes_of(RECEIPT, changed)


@pytest.mark.parametrize(
    "same",
    [
        {"metadata": {"shape": "round", "colour": "blue"}},
        {"checksum": None},
        {"checksum": Checksum("MD5", b"")},
        {"storage_class": "STANDARD_IA"},
        {"archived": True},
        {"not_held": (NotHeld.OBJECT_LOCK,)},
        {"last_modified": SOURCE.last_modified.astimezone(timezone(timedelta(hours=2)))},
    ],
)
def test_a_receipt_holds_a_state_that_differs_in_nothing_that_is_copied(same):
    assert holds(RECEIPT, replace(SOURCE, **same))


# --- Written down and read again --------------------------------------------------------------------------------------

texts = st.text(max_size=50)
receipts = st.builds(
    Receipt,
    source=st.builds(SourceKey, bucket=texts, key=texts),
    etag=texts,
    version_id=st.none() | texts,
    last_modified=st.datetimes(timezones=st.just(UTC)),
    size=st.integers(0, 5 * 1024**4),
    metadata_digest=texts,
    checked=texts,
)


@given(receipts)
def test_a_receipt_comes_back_as_it_was_written(receipt):
    assert decoded(encode(receipt)) == receipt


def test_the_written_form_is_stable_because_old_replicas_carry_it():
    assert json.loads(encode(RECEIPT)) == {
        "v": 1,
        "bucket": "source",
        "key": "a/ü k",
        "etag": SOURCE.etag,
        "version": "v1",
        "modified": "2026-01-02T03:04:05+00:00",
        "size": 5,
        "metadata": "86d253d8d96e9b522dd7beaed014e1c0",
        "checked": "CRC64NVME",
    }


@pytest.mark.parametrize("key", ["é" * 512, "k" * 1024, '"' * 1024, "\x7f" * 1024], ids=lambda key: repr(key[0]))
def test_the_largest_receipt_of_a_key_without_control_characters_fits_into_what_cloud_storage_holds(key):
    largest = replace(
        SOURCE, key=SourceKey("b" * 255, key), etag=f"{'0' * 32}-10000", version_id="v" * 1024, size=5 * 1024**4
    )
    assert len(encode(receipt_of(largest)).encode()) < MAX_VALUE


WRITTEN = json.loads(encode(RECEIPT))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "null",
        "17",
        "[]",
        "{}",
        "[" * 100_000,
        *[json.dumps({name: value for name, value in WRITTEN.items() if name != missing}) for missing in WRITTEN],
        json.dumps(WRITTEN),
        json.dumps(WRITTEN | {"more": 1}, ensure_ascii=False, separators=(",", ":")),
        json.dumps(WRITTEN | {"v": 2}, ensure_ascii=False, separators=(",", ":")),
        json.dumps(WRITTEN | {"modified": "yesterday"}, ensure_ascii=False, separators=(",", ":")),
        json.dumps(WRITTEN | {"modified": 17}, ensure_ascii=False, separators=(",", ":")),
        encode(RECEIPT) + " ",
    ],
)
def test_what_we_could_not_have_written_is_no_receipt(text):
    assert decoded(text) is None


def test_metadata_without_a_receipt_has_none():
    assert decode({}) is None
    assert decode({"colour": "blue"}) is None
