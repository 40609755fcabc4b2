"""Addresses name objects literally."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.cli.addresses import Address
from replicator.model import DestinationName, SourceKey


@pytest.mark.parametrize(
    "key", ["k", "a b", "100%", "%41", "a#b", "a?b=c", "ü/😀", "folder/", "a//b", "/", "//x", "s3://b/k", "-k", " "]
)
def test_everything_after_the_bucket_is_the_key(key):
    assert Address("s3").convert(f"s3://bucket/{key}", None, None) == SourceKey("bucket", key)
    assert Address("gs").convert(f"gs://bucket/{key}", None, None) == DestinationName("bucket", key)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_address_is_what_the_same_object_is_printed_as(key):
    source = SourceKey("bucket", key)
    assert Address("s3", "gs").convert(str(source), None, None) == source


@pytest.mark.parametrize(
    "value",
    ["", "bucket/key", "s3:/bucket/key", "s3://", "s3://bucket", "s3://bucket/", "s3:///key", "S3://b/k", "gs://b/k"],
)
def test_what_is_no_address_is_refused_with_the_form_of_one(value):
    with pytest.raises(click.BadParameter, match="expected s3://bucket/key"):
        Address("s3").convert(value, None, None)


def test_the_forms_of_all_schemes_are_named():
    with pytest.raises(click.BadParameter, match="expected s3://bucket/key or gs://bucket/name"):
        Address("s3", "gs").convert("x", None, None)


def test_bytes_that_are_not_utf8_are_refused():
    """An argument that the terminal did not send as UTF-8 reaches Python with lone surrogates."""
    with pytest.raises(click.BadParameter, match="UTF-8"):
        Address("s3").convert("s3://bucket/\udcff", None, None)
