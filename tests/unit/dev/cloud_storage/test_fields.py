"""Partial answers hold what was selected, and a selection that is none is refused."""

import pytest

from replicator.dev.cloud_storage.fields import select
from replicator.dev.cloud_storage.messages import ApiError

LISTING = {
    "kind": "storage#objects",
    "items": [{"name": "a", "size": "1", "metadata": {"k": "v", "l": "w"}}, {"name": "b", "size": "2"}],
    "nextPageToken": "t",
}


@pytest.mark.parametrize(
    ("fields", "selected"),
    [
        (None, LISTING),
        ("*", LISTING),
        ("kind", {"kind": "storage#objects"}),
        ("nextPageToken,kind", {"kind": "storage#objects", "nextPageToken": "t"}),
        ("items(name),nextPageToken", {"items": [{"name": "a"}, {"name": "b"}], "nextPageToken": "t"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(name,metadata/k)", {"items": [{"name": "a", "metadata": {"k": "v"}}, {"name": "b"}]}),
        ("items(metadata(l),name)", {"items": [{"name": "a", "metadata": {"l": "w"}}, {"name": "b"}]}),
        ("missing,items(missing)", {"items": [{}, {}]}),
    ],
)
def test_what_is_selected_is_sent(fields, selected):
    assert select(LISTING, fields) == selected


@pytest.mark.parametrize("fields", ["a b", ",", "a,", "a/", "(a)", "items(name", "items)", "items()", "a$"])
def test_what_is_no_selection_is_refused(fields):
    with pytest.raises(ApiError) as refused:
        select(LISTING, fields)
    assert refused.value.status == 400
