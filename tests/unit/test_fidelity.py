"""What is written beside the bytes, and what of it finds no room."""

import random
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import Permanent
from replicator.fidelity import (
    EXPIRES_KEY,
    MAX_CUSTOM_METADATA,
    MAX_VALUE,
    OUR_KEYS,
    TAGS_KEY,
    WEBSITE_REDIRECT_KEY,
    attributes_of,
    not_held,
)
from replicator.model import Checksum, ContentHeaders, NotHeld, Placement, SourceKey, SourceObject
from replicator.reasons import Reason
from replicator.receipt import METADATA_KEY, encode, receipt_of

SOURCE = SourceObject(
    key=SourceKey("source", "k"),
    etag="5d41402abc4b2a76b9719d911017c592",
    version_id="v1",
    last_modified=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    size=5,
    headers=ContentHeaders("text/css", "gzip", "inline", "de", "no-cache"),
    metadata={"colour": "blue", "empty": ""},
    checksum=Checksum("CRC64NVME", b"12345678"),
    tags={"team": "red & blue", "grün": "ja/nein", "none": ""},
    expires="Thu, 01 Dec 2050 16:00:00 GMT",
    website_redirect="/other page",
)
# The longest names there are: a key of 1,024 bytes, a bucket of 63, a version of 1,024, the ETag of 10,000 parts.
LARGEST = replace(SOURCE, key=SourceKey("b" * 63, "é" * 512), etag=f"{'0' * 32}-10000", version_id="v" * 1024)


def metadata_of(source: SourceObject) -> dict[str, str]:
    return dict(attributes_of(source, Placement()).metadata)


def stored_size(source: SourceObject) -> int:
    """As Cloud Storage counts: all names and values, the receipt among them."""
    stored = metadata_of(source) | {METADATA_KEY: encode(receipt_of(source))}
    return sum(len(name.encode()) + len(value.encode()) for name, value in stored.items())


# --- What has a receipt that is too large -----------------------------------------------------------------------------


@pytest.mark.parametrize(("control_characters", "size"), [(555, 4093), (556, 4098), (1024, 6438)])
def test_a_key_whose_receipt_is_too_large_for_cloud_storage_is_refused_before_anything_is_written(
    control_characters, size
):
    key = "\x01" * control_characters + "k" * (1024 - control_characters)
    source = replace(SOURCE, key=SourceKey("b" * 63, key), version_id="v" * 32)
    assert len(encode(receipt_of(source)).encode()) == size
    if size <= MAX_VALUE:
        assert attributes_of(source, Placement()).receipt == receipt_of(source)
        return
    for written in (lambda: attributes_of(source, Placement()), lambda: not_held(source)):
        with pytest.raises(Permanent) as refused:
            written()
        assert refused.value.reason is Reason.DESTINATION_NAME_INVALID
        assert (
            refused.value.detail == f"its receipt would have {size} bytes, of at most 4096: too many control characters"
        )


# --- Where it goes ----------------------------------------------------------------------------------------------------


def test_what_cloud_storage_has_a_property_for_goes_there():
    attributes = attributes_of(SOURCE, Placement("NEARLINE", "a-key"))
    assert attributes.headers == SOURCE.headers
    assert attributes.custom_time == SOURCE.last_modified
    assert attributes.receipt == receipt_of(SOURCE)
    assert attributes.placement == Placement("NEARLINE", "a-key")


def test_what_it_has_none_for_goes_into_custom_metadata_beside_the_user_metadata():
    assert metadata_of(SOURCE) == {
        "colour": "blue",
        "empty": "",
        "s3-expires": "Thu, 01 Dec 2050 16:00:00 GMT",
        "s3-website-redirect-location": "/other page",
        "s3-tags": "gr%C3%BCn=ja%2Fnein&none=&team=red%20%26%20blue",
    }
    assert not_held(SOURCE) == ()


def test_what_an_object_does_not_have_leaves_no_trace():
    assert metadata_of(replace(SOURCE, metadata={}, tags={}, expires=None, website_redirect=None)) == {}


@given(st.dictionaries(st.text(min_size=1, max_size=20), st.text(max_size=20), min_size=1, max_size=10))
def test_tags_can_be_read_back_from_their_one_entry(tags):
    written = metadata_of(replace(SOURCE, tags=tags)).get(TAGS_KEY)
    assert written is not None
    assert written.isascii()
    assert dict(parse_qsl(written, keep_blank_values=True, strict_parsing=True)) == tags


def test_tags_in_another_order_are_the_same_tags():
    turned = replace(SOURCE, tags=dict(reversed(SOURCE.tags.items())))
    assert metadata_of(turned) == metadata_of(SOURCE)
    assert receipt_of(turned) == receipt_of(SOURCE)


# --- What is lost, and said to be -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OUR_KEYS))
def test_user_metadata_under_one_of_our_names_is_not_copied_and_reported(name):
    posing = replace(SOURCE, metadata={name: "posing", "colour": "blue"})
    assert metadata_of(posing).get(name) != "posing"
    assert metadata_of(posing)["colour"] == "blue"
    assert not_held(posing) == (NotHeld.USER_METADATA,)


def test_user_metadata_under_one_of_our_names_does_not_pass_for_ours_where_we_have_none():
    assert metadata_of(replace(SOURCE, metadata={TAGS_KEY: "a=b"}, tags={})).get(TAGS_KEY) is None


def test_what_the_source_side_could_not_read_is_reported_too_once_and_in_order():
    source = replace(SOURCE, metadata={TAGS_KEY: "x"}, not_held=(NotHeld.USER_METADATA, NotHeld.OBJECT_LOCK))
    assert not_held(source) == ("object-lock", "user-metadata")


def test_all_that_s3_allows_but_the_tags_fits_beside_the_largest_receipt():
    """2 KiB of user metadata, and 2 KiB of what S3 calls system-defined, all of it expiry and redirect."""
    full = replace(
        LARGEST,
        metadata={"n" * 48: "v" * 1000, "m" * 500: "w" * 500},
        expires="e" * 1024,
        website_redirect="r" * 1024,
        tags={},
    )
    assert not_held(full) == ()
    assert len(metadata_of(full)) == 4
    assert stored_size(full) < 7 * 1024 < MAX_CUSTOM_METADATA


def test_ten_tags_of_the_longest_names_and_values_fit_in_ascii():
    longest = {f"{number}".ljust(128, "n"): "v" * 256 for number in range(10)}
    assert not_held(replace(LARGEST, tags=longest)) == ()


def test_tags_that_find_no_room_are_all_left_out_and_reported():
    tags = {f"{number}".ljust(128, "名"): "値" * 256 for number in range(10)}
    source = replace(SOURCE, tags=tags)
    assert metadata_of(source) == metadata_of(replace(SOURCE, tags={}))
    assert not_held(source) == (NotHeld.TAGS,)


def test_tags_give_way_before_anything_else():
    """Other servers of S3's API allow more metadata than S3."""
    full = replace(
        SOURCE,
        metadata={"a": "x" * 4000},
        expires="e" * 1000,
        website_redirect="r" * 1000,
        tags={f"{number}" * 100: "v" * 200 for number in range(9)},
    )
    assert set(metadata_of(full)) == {"a", EXPIRES_KEY, WEBSITE_REDIRECT_KEY}
    assert not_held(full) == (NotHeld.TAGS,)


def test_what_is_too_large_for_the_room_that_is_left_is_left_out_alone():
    sizes = {"a": "x" * 4000, "b": "x" * 3700}
    assert not_held(replace(SOURCE, metadata=sizes, website_redirect="r" * 500)) == ("website-redirect",)
    assert not_held(replace(SOURCE, metadata=sizes, expires="e" * 500)) == ("expires",)
    assert not_held(replace(SOURCE, metadata=sizes | {"c": "x" * 1000})) == ("user-metadata",)


@pytest.mark.parametrize("entry", [{"": "x"}, {"n" * 1025: "x"}, {"n": "x" * (MAX_VALUE + 1)}])
def test_an_entry_that_cloud_storage_would_refuse_is_left_out_alone(entry):
    source = replace(SOURCE, metadata=entry | {"colour": "blue"})
    assert metadata_of(source) == metadata_of(replace(SOURCE, metadata={"colour": "blue"}))
    assert not_held(source) == (NotHeld.USER_METADATA,)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=1500)


@given(
    st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), texts, max_size=8),
    st.dictionaries(texts, texts, max_size=10),
    st.none() | texts,
    st.none() | texts,
)
def test_whatever_an_object_has_cloud_storage_holds_what_is_written_and_the_rest_is_reported(
    metadata, tags, expires, redirect
):
    source = replace(SOURCE, metadata=metadata, tags=tags, expires=expires, website_redirect=redirect)
    written = metadata_of(source)
    assert stored_size(source) <= MAX_CUSTOM_METADATA
    complete = {
        NotHeld.USER_METADATA: all(written.get(name) == value for name, value in metadata.items()),
        NotHeld.TAGS: not tags or TAGS_KEY in written,
        NotHeld.EXPIRES: not expires or written.get(EXPIRES_KEY) == expires,
        NotHeld.WEBSITE_REDIRECT: not redirect or written.get(WEBSITE_REDIRECT_KEY) == redirect,
    }
    assert set(not_held(source)) == {what for what, is_complete in complete.items() if not is_complete}


def test_the_choice_does_not_depend_on_the_order_of_the_metadata():
    names = [f"{number:02}" for number in range(20)]
    shuffled = random.Random(1).sample(names, len(names))
    first, second = (replace(SOURCE, metadata=dict.fromkeys(order, "x" * 900)) for order in (names, shuffled))
    assert metadata_of(first) == metadata_of(second)
