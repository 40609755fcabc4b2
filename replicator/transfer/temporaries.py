"""The temporary objects of one copy in parts. Whoever comes second to make one takes what the first has made."""

import base64
import binascii
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from contextlib import suppress
from dataclasses import dataclass

from replicator.errors import DestinationMoved, ReplicationError, Transient
from replicator.model import Attributes, ContentHeaders, DestinationName, DestinationObject, Placement
from replicator.ports import Destination
from replicator.reasons import Reason
from replicator.transfer.checksums import PartsDigest, combined_crc32c, crc32c
from replicator.transfer.plan import STANDARD
from replicator.transfer.tree import Node, Tree

CHECK_KEY = "check"
"""Custom metadata of a temporary object: what proves the source's own checksum of its range, in base64."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A node that is done: its temporary object, and the check of its range (`None`: its leaves have it).

    `found` says that it was made by somebody else.
    """

    object: DestinationObject
    check: bytes | None
    found: bool = False


@dataclass(frozen=True, slots=True)
class Temporaries:
    """Makes and finds the nodes of one tree in one bucket.

    With `consume` a composition deletes its components at once. Otherwise they stay until they are swept away: where a
    bucket keeps versions, only that deletes them for good, and a check that grows is kept with the leaves alone.
    """

    side: Destination
    bucket: str
    tree: Tree
    digest: PartsDigest
    kms_key: str | None
    consume: bool

    def find(self) -> dict[Node, Piece]:
        """What there is of this copy, from whichever attempt. What cannot be used is discarded, to be made anew."""
        pieces: dict[Node, Piece] = {}
        for object_ in self.side.list_objects(self.bucket, self.tree.prefix):
            node = self.tree.node(object_.name.name)
            check = _decoded(object_.metadata.get(CHECK_KEY))
            if node is None:
                continue
            if object_.size == self.tree.length(node) and (check is not None or self._keeps_no_check(node)):
                pieces[node] = Piece(object_, check, found=True)
            else:
                self.side.discard(object_)
        return pieces

    def _keeps_no_check(self, node: Node) -> bool:
        return self.digest.grows and node.level > 0

    def put(self, node: Node, data: memoryview) -> Piece:
        """Makes a leaf."""
        crc, check = crc32c(data), self.digest.check_of(data)
        attributes = self._attributes(check)
        return self._made(
            node, crc, check, lambda: self.side.insert(self._name(node), data, crc, attributes, if_generation=0)
        )

    def compose(self, node: Node, children: Sequence[Piece]) -> Piece:
        """Makes a node of its children. Raises `DestinationMoved` when one of them is gone, and the node not there."""
        crc = combined_crc32c((child.object.crc32c, child.object.size) for child in children)
        check = self.combined_check(children)
        components, attributes = [child.object for child in children], self._attributes(check)
        return self._made(
            node,
            crc,
            check,
            lambda: self.side.compose(
                self._name(node), components, attributes, if_generation=0, delete_components=self.consume
            ),
        )

    def combined_check(self, pieces: Sequence[Piece]) -> bytes | None:
        """The check of consecutive pieces, as far as it is kept with them."""
        if self.digest.grows:
            return None
        return self.digest.combined((piece.check or b"", piece.object.size) for piece in pieces)

    def sweep(self, prefix: str, workers: Executor) -> None:
        """Discards everything under `prefix`, as far as that succeeds; a lifecycle rule takes what is left."""
        with suppress(ReplicationError):
            found = self.side.list_objects(self.bucket, prefix)
            wait([workers.submit(self._discard, object_) for object_ in found])

    def _discard(self, object_: DestinationObject) -> None:
        with suppress(ReplicationError):
            self.side.discard(object_)

    def _made(self, node: Node, crc: bytes, check: bytes | None, write: Callable[[], DestinationObject]) -> Piece:
        try:
            object_, found = write(), False
        except DestinationMoved:
            there = self.side.stat(self._name(node))
            if there is None:
                raise
            object_, found = there, True
        if (object_.crc32c, object_.size) != (crc, self.tree.length(node)):
            self.side.discard(object_)
            raise Transient(Reason.CHECKSUM_MISMATCH, "Cloud Storage holds other bytes than were sent")
        return Piece(object_, check, found)

    def _name(self, node: Node) -> DestinationName:
        return DestinationName(self.bucket, self.tree.name(node))

    def _attributes(self, check: bytes | None) -> Attributes:
        metadata = {} if check is None else {CHECK_KEY: base64.b64encode(check).decode()}
        return Attributes(ContentHeaders(), metadata, placement=Placement(STANDARD, self.kms_key))


def _decoded(check: str | None) -> bytes | None:
    try:
        return None if check is None else base64.b64decode(check, validate=True)
    except binascii.Error:
        return None
