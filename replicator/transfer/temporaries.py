"""The temporary objects of one copy in parts. Whoever comes second to make one takes what the first has made."""

import base64
import binascii
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, wait
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from replicator.crc import combined
from replicator.deadline import Deadline
from replicator.errors import DestinationMoved, ReplicationError, Transient
from replicator.fidelity import MAX_VALUE
from replicator.model import Attributes, ContentHeaders, DestinationName, DestinationObject, Placement
from replicator.ports import Destination
from replicator.reasons import Reason
from replicator.transfer.checksums import PartsDigest, crc32c
from replicator.transfer.plan import STANDARD
from replicator.transfer.tree import Node, Tree

CHECK_KEY = "check"
"""Custom metadata of a temporary object: what proves the source's own checksum of its range, in base64."""

SWEPT_AT_ONCE = 256
"""Discards between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A node that is done: its temporary object, and the check of its range. `found` says that another has made it."""

    object: DestinationObject
    check: bytes
    found: bool = False


@dataclass(frozen=True, slots=True)
class Temporaries:
    """Makes and finds the nodes of one tree in one bucket.

    A composition deletes its components at once: Cloud Storage bills nothing for objects that go like this, whatever
    the bucket keeps of others (https://cloud.google.com/storage/docs/composing-objects). Only where the check of the
    composed range is too long to be kept with it do they stay until they are swept away, since they have it.
    """

    side: Destination
    bucket: str
    tree: Tree
    digest: PartsDigest
    kms_key: str | None

    def find(self) -> dict[Node, Piece]:
        """What there is of this copy, from whichever attempt. What cannot be used is discarded, to be made anew."""
        pieces: dict[Node, Piece] = {}
        for object_ in self.side.list_objects(self.bucket, self.tree.prefix):
            node = self.tree.node(object_.name.name)
            if node is None:
                continue
            check = _decoded(object_.metadata.get(CHECK_KEY)) if self.digest.is_needed else b""
            if object_.size != self.tree.length(node) or (check is None and node.level == 0):
                self.side.discard(object_)
            elif check is not None:
                pieces[node] = Piece(object_, check, found=True)
        return pieces

    def put(self, node: Node, data: memoryview) -> Piece:
        """Makes a leaf."""
        crc, check = crc32c(data), self.digest.check_of(data)
        name, attributes = self._name(node), self._attributes(_encoded(check))
        object_, found = self._made(node, crc, lambda: self.side.insert(name, data, crc, attributes, if_generation=0))
        return Piece(object_, check, found)

    def compose(self, node: Node, children: Sequence[Piece]) -> Piece:
        """Makes a node of its children. Raises `DestinationMoved` when one of them is gone, and the node not there."""
        crc, check = self.combined(children)
        encoded = _encoded(check)
        kept = encoded if len(encoded) <= MAX_VALUE else None
        name, components, attributes = self._name(node), [child.object for child in children], self._attributes(kept)
        object_, _ = self._made(
            node,
            crc,
            lambda: self.side.compose(
                name, components, attributes, if_generation=0, delete_components=kept is not None
            ),
        )
        return Piece(object_, check)

    def combined(self, pieces: Sequence[Piece]) -> tuple[bytes, bytes]:
        """CRC32C and check of consecutive pieces together."""
        crc = combined("CRC32C", ((piece.object.crc32c, piece.object.size) for piece in pieces))
        return crc, self.digest.combined((piece.check, piece.object.size) for piece in pieces)

    def sweep(self, workers: Executor, deadline: Deadline) -> None:
        """Discards what there is, as far as that succeeds in time; a lifecycle rule takes what is left."""
        with suppress(ReplicationError):
            found = self.side.list_objects(self.bucket, self.tree.prefix)
            while deadline.remaining > 0 and (some := list(islice(found, SWEPT_AT_ONCE))):
                wait([workers.submit(self._discard, object_) for object_ in some])

    def _discard(self, object_: DestinationObject) -> None:
        with suppress(ReplicationError):
            self.side.discard(object_)

    def _made(self, node: Node, crc: bytes, write: Callable[[], DestinationObject]) -> tuple[DestinationObject, bool]:
        """The node's object, and whether another has made it."""
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
        return object_, found

    def _name(self, node: Node) -> DestinationName:
        return DestinationName(self.bucket, self.tree.name(node))

    def _attributes(self, check: str | None) -> Attributes:
        metadata = {CHECK_KEY: check} if check else {}
        return Attributes(ContentHeaders(), metadata, placement=Placement(STANDARD, self.kms_key))


def _encoded(check: bytes) -> str:
    return base64.b64encode(check).decode()


def _decoded(check: str | None) -> bytes | None:
    try:
        return None if check is None else base64.b64decode(check, validate=True)
    except binascii.Error:
        return None
