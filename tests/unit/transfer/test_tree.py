"""The tree of parts: ranges that cover the object once, and names that say what they hold."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.model import Checksum, DestinationName, SourceKey
from replicator.transfer.plan import Path, PathReason, Plan
from replicator.transfer.tree import Node, Tree, tree_for
from tests.fakes import InMemorySource

PLAN = Plan(Path.PARTS, PathReason.SIZE, Checksum("CRC64NVME", b"12345678"), 8)
NAME = DestinationName("replica", "k")


def leaves(tree: Tree) -> list[Node]:
    return [Node(0, index) for index in range(tree.leaves)]


TREES = st.builds(
    lambda leaves, part, rest: Tree(leaves * part - rest % part, part, "p/"),
    st.integers(1, 3000),
    st.integers(1, 9),
    st.integers(0),
)


@given(TREES)
def test_the_leaves_cover_every_byte_once_and_in_order(tree):
    position = 0
    for node in leaves(tree):
        assert tree.offset(node) == position
        assert 0 < tree.length(node) <= tree.part_size
        position += tree.length(node)
    assert position == tree.size


@given(TREES)
def test_every_node_has_the_range_of_its_children_and_at_most_32_of_them(tree):
    nodes = list(tree.top())
    assert 1 <= len(nodes) <= 32
    assert sum(map(tree.length, nodes)) == tree.size
    while nodes:
        node = nodes.pop()
        children = tree.children(node)
        assert len(children) <= 32
        assert all(tree.parent(child) == node for child in children)
        if node.level:
            assert tree.offset(children[0]) == tree.offset(node)
            assert sum(map(tree.length, children)) == tree.length(node)
            nodes += [child for child in children if child.level]


def test_what_the_object_itself_is_made_of_has_no_parent():
    tree = Tree(33, 1, "p/")
    assert tree.top() == (Node(1, 0), Node(1, 1))
    assert [tree.parent(node) for node in (Node(1, 1), Node(0, 32))] == [None, Node(1, 1)]


@given(TREES, st.data())
def test_names_are_read_back_and_sort_as_the_ranges_do(tree, data):
    node = Node(0, data.draw(st.integers(0, tree.leaves - 1)))
    for node_ in (node, *tree.top()):
        assert tree.node(tree.name(node_)) == node_
    assert sorted(map(tree.name, leaves(tree)[:200])) == [tree.name(node) for node in leaves(tree)[:200]]


@pytest.mark.parametrize(
    "name", ["p/0-000004", "p/1-000000", "p/0-1", "q/0-000000", "0-000000", "p/0-000000x", "p/", "p/0-000000/p/"]
)
def test_names_that_no_node_has_are_no_nodes(name):
    assert Tree(32, 8, "p/").node(name) is None


@given(TREES, st.data())
def test_what_is_missing_is_what_no_done_node_covers(tree, data):
    nodes = [*leaves(tree), *tree.top()]
    done = set(data.draw(st.lists(st.sampled_from(nodes))))
    covered = {byte for node in done for byte in (tree.offset(node), tree.offset(node) + tree.length(node) - 1)}
    missing = list(tree.missing(done))
    assert missing == sorted(set(missing))
    assert not covered & {tree.offset(node) for node in missing}
    both = sum(map(tree.length, missing)) + sum(map(tree.length, _outermost(tree, done)))
    assert both == tree.size


def _outermost(tree, done):
    for node in done:
        above = node
        while (above := tree.parent(above)) and above not in done:
            pass
        if above is None:
            yield node


def test_every_property_that_decides_the_bytes_decides_the_names():
    source = InMemorySource("source")
    state = source.put(SourceKey("source", "k"), b"x" * 100)
    others = [
        tree_for(replace(state, key=SourceKey("source", "other")), NAME, PLAN),
        tree_for(replace(state, key=SourceKey("elsewhere", "k")), NAME, PLAN),
        tree_for(replace(state, etag="other"), NAME, PLAN),
        tree_for(replace(state, version_id="v"), NAME, PLAN),
        tree_for(replace(state, last_modified=state.last_modified + timedelta(seconds=1)), NAME, PLAN),
        tree_for(replace(state, size=101), NAME, PLAN),
        tree_for(state, DestinationName("replica", "other"), PLAN),
        tree_for(state, DestinationName("elsewhere", "k"), PLAN),
        tree_for(state, NAME, replace(PLAN, part_size=16)),
        tree_for(state, NAME, replace(PLAN, check=None)),
        tree_for(state, NAME, replace(PLAN, check=Checksum("CRC64NVME", b"87654321"))),
        tree_for(state, NAME, PLAN),
    ]
    assert len({tree.prefix for tree in others}) == len(others)
    assert tree_for(state, NAME, PLAN) == others[-1]


def test_names_are_short_and_under_the_reserved_prefix():
    state = InMemorySource("source").put(SourceKey("source", "k"), b"x")
    longest = tree_for(state, DestinationName("replica", "x" * 1024), PLAN)
    assert longest.name(Node(0, 0)).startswith(".replicator/")
    assert len(longest.name(Node(0, 999_999))) < 64
    assert longest.node(longest.name(Node(0, 0))) == Node(0, 0)
