"""Which objects pass a filter, and why the others do not."""

from dataclasses import replace

import pytest

from replicator.model import SourceKey
from replicator.reasons import Reason
from replicator.rules import Filter, GlobError
from tests.fakes import InMemorySource

OBJECT = InMemorySource("source").put(SourceKey("source", "k"), b"12345", tags={"team": "web", "stage": "live"})


@pytest.mark.parametrize(
    ("given", "key", "mismatch"),
    [
        ({}, "any", None),
        ({"prefix": "a/"}, "a/b", None),
        ({"prefix": "a/"}, "A/b", Reason.FILTERED_BY_PREFIX),
        ({"prefix": "a/"}, "b/a/", Reason.FILTERED_BY_PREFIX),
        ({"suffix": ".jpg"}, "a.jpg", None),
        ({"suffix": ".jpg"}, "a.jpg.png", Reason.FILTERED_BY_SUFFIX),
        ({"prefix": "ab", "suffix": "bc"}, "abc", None),
        ({"glob": "*.jpg"}, "a.jpg", None),
        ({"glob": "*.jpg"}, "a/b.jpg", Reason.FILTERED_BY_GLOB),
        ({"prefix": "a", "suffix": "z", "glob": "?"}, "b", Reason.FILTERED_BY_PREFIX),
        ({"prefix": "a", "suffix": "z", "glob": "?"}, "ab", Reason.FILTERED_BY_SUFFIX),
        ({"prefix": "a", "suffix": "z", "glob": "?"}, "az", Reason.FILTERED_BY_GLOB),
    ],
)
def test_a_key_passes_or_the_first_thing_against_it_is_named(given, key, mismatch):
    assert Filter(**given).mismatch_of_key(key) is mismatch


@pytest.mark.parametrize(
    ("given", "mismatch"),
    [
        ({}, None),
        ({"min_size": 5}, None),
        ({"min_size": 6}, Reason.FILTERED_BY_SIZE),
        ({"max_size": 5}, None),
        ({"max_size": 4}, Reason.FILTERED_BY_SIZE),
        ({"max_size": 0}, Reason.FILTERED_BY_SIZE),
        ({"tags": {"team": "web"}}, None),
        ({"tags": {"team": "web", "stage": "live"}}, None),
        ({"tags": {"team": "ops"}}, Reason.FILTERED_BY_TAGS),
        ({"tags": {"Team": "web"}}, Reason.FILTERED_BY_TAGS),
        ({"tags": {"team": "web", "owner": ""}}, Reason.FILTERED_BY_TAGS),
        ({"min_size": 6, "tags": {"team": "ops"}}, Reason.FILTERED_BY_SIZE),
    ],
)
def test_an_object_passes_or_the_first_thing_against_it_is_named(given, mismatch):
    assert Filter(**given).mismatch_of_object(OBJECT) is mismatch


def test_an_empty_object_and_one_without_tags_are_objects_too():
    empty = replace(OBJECT, size=0, tags={})
    assert Filter(max_size=0).mismatch_of_object(empty) is None
    assert Filter(min_size=1).mismatch_of_object(empty) is Reason.FILTERED_BY_SIZE
    assert Filter(tags={"team": "web"}).mismatch_of_object(empty) is Reason.FILTERED_BY_TAGS


def test_a_glob_without_a_meaning_makes_no_filter():
    with pytest.raises(GlobError):
        Filter(glob="[")


@pytest.mark.parametrize("given", [{"glob": "*"}, {"min_size": 0}, {"max_size": 1}, {"tags": {"a": "b"}}])
def test_prefix_and_suffix_alone_do_not_tell_where_there_is_more(given):
    assert Filter("a", "b").only_by_prefix_and_suffix
    assert not Filter("a", "b", **given).only_by_prefix_and_suffix
