"""The protocol with one guard taken out: what the explorer has to find."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from replicator.decide import Look, judged
from replicator.model import DestinationName, DestinationObject, Outcome, Result, SourceObject
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import RESERVED_PREFIX
from replicator.transfer.parts import _PartsCopy
from tests.proof.interleavings.calls import DestinationCalls, Marked, Setting, SourceCalls, _Bytes


@dataclass(frozen=True, slots=True)
class SourceFirst(Marked):
    """Looks at the source before the destination."""

    def _look(self, key, assignment) -> Look:
        source = self.source.stat(key)
        return judged(key, assignment, self.destination.stat(assignment.destination), source, self.rules)


@dataclass(frozen=True, slots=True)
class NoLastLook(Marked):
    def _last_look(self, look: Look, key, trail):
        return trail.written


@dataclass(frozen=True, slots=True)
class ShortcutForAbsentSource(Marked):
    """Says that there is nothing to do where the first request finds no source."""

    def _short_round(self, key, assignment, deadline, trail):
        with self.source.read(key) as found:
            if found is None:
                return Outcome(Result.UNCHANGED, Reason.SOURCE_NOT_FOUND, key, assignment.destination)
        return Reconciler._short_round(self, key, assignment, deadline, trail)


@dataclass(frozen=True, slots=True)
class LostWritesForgotten(Marked):
    """Does not mind that a write got no answer."""

    def _carry_out(self, look, action, key, assignment, deadline, trail, body=None):
        try:
            return Reconciler._carry_out(self, look, action, key, assignment, deadline, trail, body)
        finally:
            trail.unanswered.clear()


class Unpinned(SourceCalls):
    @contextmanager
    def open(self, source: SourceObject, offset: int = 0, length: int | None = None) -> Iterator[Any]:
        end = source.size if length is None else offset + length
        yield _Bytes(self.run.ask("source", "open unpinned", source, offset, end))


class UnconditionalWrites(DestinationCalls):
    """Writes objects, but not their parts, whatever is there."""

    def insert(self, name: DestinationName, data, crc32c, attributes, if_generation):
        return DestinationCalls.insert(self, name, data, crc32c, attributes, self._condition(name, if_generation))

    def compose(self, name, components, attributes, if_generation, *, delete_components=False):
        condition = self._condition(name, if_generation)
        return DestinationCalls.compose(
            self, name, components, attributes, condition, delete_components=delete_components
        )

    def begin(self, name, size, attributes, if_generation):
        return DestinationCalls.begin(self, name, size, attributes, self._condition(name, if_generation))

    def _condition(self, name: DestinationName, if_generation: int) -> Any:
        return if_generation if name.name.startswith(RESERVED_PREFIX) else None


class UnconditionalParts(UnconditionalWrites):
    """Writes parts, but not objects, whatever is there."""

    def _condition(self, name: DestinationName, if_generation: int) -> Any:
        return None if name.name.startswith(RESERVED_PREFIX) else if_generation


class UnconditionalDeletes(DestinationCalls):
    def delete(self, current: DestinationObject) -> None:
        self.run.ask("destination", "delete unconditionally", current)


class UnconditionalMetadata(DestinationCalls):
    def update_metadata(self, current: DestinationObject, attributes):
        return self.run.ask("destination", "update_metadata unconditionally", current, attributes)


def compose_what_is_there(copy: _PartsCopy) -> None:
    """Makes one part, and takes what there is for the whole."""
    copy._look_around()
    copy._begin_step()
    copy._end_steps(timeout=None)
    copy._tree = replace(copy._tree, size=copy.copied)


MUTANTS: Mapping[str, Callable[[Setting], Setting]] = {
    "the source is looked at before the destination": lambda real: replace(real, reconciler=SourceFirst),
    "no last look": lambda real: replace(real, reconciler=NoLastLook),
    "the shortcut for an absent source": lambda real: replace(real, reconciler=ShortcutForAbsentSource),
    "no pin": lambda real: replace(real, source=Unpinned),
    "no condition on writes": lambda real: replace(real, destination=UnconditionalWrites),
    "no condition on deletes": lambda real: replace(real, destination=UnconditionalDeletes),
    "no condition on metadata": lambda real: replace(real, destination=UnconditionalMetadata),
    "no condition on parts": lambda real: replace(real, destination=UnconditionalParts),
    "composing without asking for missing parts": lambda real: replace(
        real, patches=(("replicator.transfer.parts._PartsCopy.make_pieces", compose_what_is_there),)
    ),
    "a lost write is forgotten": lambda real: replace(real, reconciler=LostWritesForgotten),
}
