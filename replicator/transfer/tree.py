"""The parts of a large object and the tree that they are composed to: pure arithmetic and names.

The leaves, at level 0, are the parts. A node of the next level is composed of up to `MAX_COMPONENTS` nodes of the level
below. The highest level has no more nodes than one request composes: the object itself is made of those.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicator.model import DestinationName, SourceObject
from replicator.ports import MAX_COMPONENTS
from replicator.rules import RESERVED_PREFIX
from replicator.transfer.plan import Plan

NODE_NAME = re.compile(r"([0-9])-([0-9]{6,})")


@dataclass(frozen=True, order=True, slots=True)
class Node:
    """A range of the object that is, or is to be, one temporary object."""

    level: int
    index: int


@dataclass(frozen=True, slots=True)
class Tree:
    """All the nodes for an object of `size` bytes in parts of `part_size`. `prefix` begins all their names."""

    size: int
    part_size: int
    prefix: str

    @property
    def leaves(self) -> int:
        return -(-self.size // self.part_size)

    def top(self) -> tuple[Node, ...]:
        """The nodes that the object itself is composed of, in order."""
        level, count = 0, self.leaves
        while count > MAX_COMPONENTS:
            level, count = level + 1, -(-count // MAX_COMPONENTS)
        return tuple(Node(level, index) for index in range(count))

    def children(self, node: Node) -> tuple[Node, ...]:
        """The nodes that `node` is composed of, in order; a leaf has none."""
        if node.level == 0:
            return ()
        first = node.index * MAX_COMPONENTS
        end = min(first + MAX_COMPONENTS, -(-self.leaves // MAX_COMPONENTS ** (node.level - 1)))
        return tuple(Node(node.level - 1, index) for index in range(first, end))

    def parent(self, node: Node) -> Node | None:
        """The node that `node` is a part of; `None` for those that the object itself is composed of."""
        if node.level == self.top()[0].level:
            return None
        return Node(node.level + 1, node.index // MAX_COMPONENTS)

    def offset(self, node: Node) -> int:
        return node.index * self.part_size * int(MAX_COMPONENTS**node.level)

    def length(self, node: Node) -> int:
        """Bytes in the node's range."""
        return min(self.part_size * int(MAX_COMPONENTS**node.level), self.size - self.offset(node))

    def name(self, node: Node) -> str:
        return f"{self.prefix}{node.level}-{node.index:06}"

    def node(self, name: str) -> Node | None:
        """The node that an object of this name is; `None` for a name that no node has."""
        match = NODE_NAME.fullmatch(name.removeprefix(self.prefix))
        if not match or not name.startswith(self.prefix):
            return None
        node = Node(int(match[1]), int(match[2]))
        return node if node.level <= self.top()[0].level and self.offset(node) < self.size else None

    def missing(self, done: "set[Node]") -> Iterator[Node]:
        """The leaves, in order, that are neither done themselves nor in a node that is."""
        stack = list(reversed(self.top()))
        while stack:
            node = stack.pop()
            if node in done:
                continue
            if node.level == 0:
                yield node
            stack.extend(reversed(self.children(node)))


def tree_for(source: SourceObject, destination: DestinationName, plan: Plan) -> Tree:
    """The tree whose names say all that its bytes depend on: any attempt, on any instance, finds what others have done,
    and never what was made of another state of the source, or in another way.

    A hash is short, and parallel copies do not all write to one range of names
    (https://cloud.google.com/storage/docs/request-rate#naming-convention).
    """
    state = [
        destination.bucket,
        destination.name,
        source.key.bucket,
        source.key.key,
        source.etag,
        source.version_id,
        source.last_modified.isoformat(),
        source.size,
        plan.part_size,
        plan.checked,
        plan.check.digest.hex() if plan.check else None,
    ]
    return Tree(source.size, plan.part_size, f"{RESERVED_PREFIX}{_hash(state)}/")


def _hash(values: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(list(values)).encode()).hexdigest()[:32]
