"""Both sides as they may be: the source's history, and every state of the destination that was met.

States of the destination are numbered, so that they compare and hash at no cost. What a call does to one is worked out
by the in-memory destination, which passes the contract suite of the real one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from replicator.errors import DestinationMoved, ReplicationError, SourceMoved
from replicator.model import DestinationName, SourceObject
from replicator.receipt import holds
from replicator.rules import RESERVED_PREFIX, Deletes, Foreign, Rule
from tests.fakes import InMemoryDestination, InMemorySource, Stored
from tests.proof.interleavings.calls import KEY, NAME, Answer, Call

CONTENTS = {"put a": b"a1", "put b": b"b2"}
"""Of one length, so that a mixture would have it, too; no part is like another."""

FOREIGN = b"theirs"

Present = tuple[SourceObject, bytes]


class Violated(AssertionError):
    """A promise that was not kept."""


def timeline(operations: Sequence[str]) -> list[Present | None]:
    """The source's states: before the operations, and after each of them.

    `put a` and `put b` write, `touch` changes metadata alone, `delete` deletes, `undelete` takes a delete marker away:
    the version that was there before is the current one again. The objects have no checksum that could hide a mixture.
    """
    side = InMemorySource(KEY.bucket)
    states: list[Present | None] = [None]
    for index, operation in enumerate(operations):
        current = states[-1]
        match operation:
            case "put a" | "put b":
                side.put(KEY, CONTENTS[operation], checksum=None, md5=None)
                states.append(side.objects[KEY])
            case "touch":
                assert current
                touched = side.put(KEY, current[1], checksum=None, md5=None, metadata={"touched": str(index)})
                states.append((replace(touched, etag=current[0].etag), current[1]))
            case "delete":
                states.append(None)
            case "undelete":
                states.append(next(state for state in reversed(states) if state))
            case _:
                raise ValueError(operation)
    return states


Objects = Mapping[DestinationName, Stored]


class World:
    """Answers calls at a position of the source's history and in a numbered state of the destination."""

    def __init__(self, operations: Sequence[str], rule: Rule) -> None:
        self.operations = operations
        self.timeline = timeline(operations)
        self.rule = rule
        self._states: list[tuple[Objects, dict[DestinationName, int]]] = [({}, {})]
        self._numbers: dict[object, int] = {_key({}, {}): 0}

    @property
    def destinations(self) -> int:
        """States of the destination that were met."""
        return len(self._states)

    def visible(self, number: int) -> Stored | None:
        return self._states[number][0].get(NAME)

    def temporaries(self, number: int) -> list[str]:
        return [name.name for name in self._states[number][0] if name.name.startswith(RESERVED_PREFIX)]

    def ask_source(self, call: Call, position: int) -> Answer:
        now = self.timeline[position]
        match call.name, call.arguments:
            case "stat", _:
                return Answer(now[0] if now else None)
            case "read", _:
                return Answer(now)
            case "open", (pinned, offset, end):
                return Answer(now[1][offset:end]) if now and pinned == now[0] else Answer(error=SourceMoved())
            case "open unpinned", (_, offset, end):
                return Answer(now[1][offset:end]) if now else Answer(error=SourceMoved())
        raise NotImplementedError(call.name)

    def ask_destination(self, call: Call, number: int) -> tuple[Answer, int]:
        """The answer, and the state of the destination afterwards."""
        side = self._restored(number)
        try:
            answer = Answer(_carried_out(side, call))
        except (DestinationMoved, ReplicationError) as error:
            answer = Answer(error=error)
        return answer, self._number(side)

    def put_foreign(self, number: int) -> int:
        side = self._restored(number)
        side.put_foreign(NAME, FOREIGN)
        return self._number(side)

    # --- Promises -----------------------------------------------------------------------------------------------------

    def check_step(self, position: int, before: int, after: int) -> None:
        """What must hold of every change of the destination. `position` is where the source's history is."""
        old, new = self._states[before][0], self._states[after][0]
        for name, found in new.items():
            was = old.get(name)
            if name == NAME:
                if was is None or found.state != was.state:
                    self._check_written(was, found, position)
            elif was and found.state.generation != was.state.generation:
                raise Violated("a temporary object that was there was written again")
        if NAME in old and NAME not in new:
            held = old[NAME].state.receipt
            if held is None:
                raise Violated("somebody else's object was deleted")
            now = self.timeline[position]
            if now and holds(held, now[0]) and "undelete" not in self.operations:
                raise Violated("a replica that equals the source was deleted")

    def _check_written(self, was: Stored | None, found: Stored, position: int) -> None:
        if found.state.receipt is None:
            if found.data != FOREIGN:
                raise Violated("an object without a receipt was written")
            return
        held = self._position_of(found, position)
        present = self.timeline[held] if held is not None else None
        if held is None or present is None:
            raise Violated("the receipt names a state that the source never had")
        if found.data != present[1]:
            raise Violated(f"the receipt names other bytes: {found.data!r}, not {present[1]!r}")
        if dict(present[0].metadata).items() - dict(found.state.metadata).items():
            raise Violated("the receipt names other metadata")
        if was and was.state.receipt:
            covered = self._position_of(was, position)
            if covered is not None and covered > held:
                raise Violated("a newer object was covered by an older one")

    def check_quiet(self, position: int, number: int, undisturbed: bool) -> None:
        """What must hold whenever no work is left. `undisturbed` says that nobody has died, nothing was lost
        and nobody else has written."""
        now, visible = self.timeline[position], self.visible(number)
        if undisturbed and self.temporaries(number):
            raise Violated(f"temporary objects are left: {self.temporaries(number)}")
        if visible and visible.state.receipt is None:
            if now and self.rule.foreign is Foreign.OVERWRITE:
                raise Violated("somebody else's object is in the way of a replica")
            return
        if now is None:
            if visible and self.rule.deletes is Deletes.PROPAGATE:
                raise Violated("the replica of a deleted object is left")
        elif visible is None or not holds(visible.state.receipt, now[0]):
            raise Violated("the destination is not equal to the source")

    def _position_of(self, found: Stored, position: int) -> int | None:
        """The latest position so far at which the source was what the object holds."""
        for held in range(position, -1, -1):
            state = self.timeline[held]
            if state and found.state.receipt and holds(found.state.receipt, state[0]):
                return held
        return None

    # --- Numbers ------------------------------------------------------------------------------------------------------

    def _restored(self, number: int) -> InMemoryDestination:
        objects, generations = self._states[number]
        copies = {name: replace(stored) for name, stored in objects.items()}
        return InMemoryDestination({NAME.bucket}, copies, generations=dict(generations))

    def _number(self, side: InMemoryDestination) -> int:
        key = _key(side.objects, side.generations)
        number = self._numbers.setdefault(key, len(self._states))
        if number == len(self._states):
            self._states.append((side.objects, side.generations))
        return number


def _carried_out(side: InMemoryDestination, call: Call) -> Any:
    match call.name, call.arguments:
        case "insert", (name, data, crc32c, attributes, if_generation):
            return side.insert(name, memoryview(data), crc32c, attributes, _required(side, name, if_generation))
        case "compose", (name, components, attributes, if_generation, delete):
            generation = _required(side, name, if_generation)
            return side.compose(name, components, attributes, generation, delete_components=delete)
        case "delete" | "update_metadata" | "discard" | "stat", arguments:
            return getattr(side, call.name)(*arguments)
        case "list_objects", (bucket, prefix):
            return tuple(side.list_objects(bucket, prefix))
        case "delete unconditionally", (seen,):
            current = side.stat(seen.name)
            return side.delete(current) if current else None
        case "update_metadata unconditionally", (seen, attributes):
            current = side.stat(seen.name)
            return side.update_metadata(current, attributes) if current else None
    raise NotImplementedError(call.name)


def _required(side: InMemoryDestination, name: DestinationName, if_generation: int | None) -> int:
    """`None` is what only a mutant asks for: no condition."""
    current = side.stat(name)
    return (current.generation if current else 0) if if_generation is None else if_generation


def _key(objects: Objects, generations: Mapping[DestinationName, int]) -> object:
    return (
        tuple(sorted((name.name, repr(stored)) for name, stored in objects.items())),
        tuple(sorted((name.name, generation) for name, generation in generations.items())),
    )
