"""The real code, run one call at a time: what it does next depends on nothing but what its calls have answered.

So a worker's state is what it was answered so far. `Program` keeps each state that was ever met, with the one call that
is next in it, and runs the code again from the start only to learn what follows an answer it has not seen there yet.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Self
from unittest.mock import patch

from replicator.deadline import Deadline
from replicator.engine import Engine, RetryPolicy
from replicator.errors import Transient
from replicator.model import Attributes, DestinationName, DestinationObject, Failure, SourceKey, SourceObject
from replicator.reconcile import Reconciler, Trail
from replicator.rules import Assignment, Rule, RuleSet
from replicator.transfer import Memory, Sizes, Transfer
from tests.fakes import InMemoryDestination, OneByOne

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
BUCKET_FACTS = InMemoryDestination().bucket_facts


@dataclass(frozen=True, slots=True)
class Call:
    """One request, or one throw of the dice. `side` is `source`, `destination` or `dice`."""

    side: str
    name: str
    arguments: tuple[Any, ...] = ()

    @property
    def writes(self) -> bool:
        return self.side == "destination" and self.name not in ("stat", "list_objects")

    def __str__(self) -> str:
        named = next((str(one) for one in self.arguments if isinstance(one, DestinationName)), "")
        named = named or next((str(one.name) for one in self.arguments if isinstance(one, DestinationObject)), "")
        return f"{self.side}.{self.name}{f' {named}' if named else ''}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, or raised."""

    value: Any = None
    error: Exception | None = None

    def give(self) -> Any:
        if self.error:
            raise self.error.with_traceback(None)
        return self.value


class Stopped(BaseException):
    """Ends a run at the call whose answer is not known yet."""


class Run:
    """Answers calls from a list. At the first one beyond, `next` is that call, and nothing goes on."""

    def __init__(self, answers: Sequence[Answer]) -> None:
        self._answers = answers
        self._given = 0
        self.next: Call | None = None
        self.mark: tuple[object, ...] = ()
        self.marked_at = 0

    def ask(self, side: str, name: str, *arguments: Any) -> Any:
        if self.next is None and self._given < len(self._answers):
            self._given += 1
            return self._answers[self._given - 1].give()
        self.next = self.next or Call(side, name, arguments)
        raise Stopped

    def round_begins(self, trail: Trail) -> None:
        """A round knows of what was before only what is in the trail, and how many there were."""
        if self.next is None:
            self.mark = (*self.mark[:1], (self.mark[1] if self.mark else 0) + 1, repr(trail))
            self.marked_at = self._given

    def attempt_begins(self) -> None:
        if self.next is None:
            self.mark = ((self.mark[0] if self.mark else 0) + 1, 0)


@dataclass
class SourceCalls:
    """The port `Source`. Reading from an answer that is there already is no call."""

    run: Run
    pinned: bool = True

    def stat(self, key: SourceKey) -> SourceObject | None:
        return self.run.ask("source", "stat", key)

    @contextmanager
    def read(self, key: SourceKey) -> Iterator[Any]:
        found = self.run.ask("source", "read", key)
        yield (found[0], _Bytes(found[1])) if found else None

    @contextmanager
    def open(self, source: SourceObject, offset: int = 0, length: int | None = None) -> Iterator[Any]:
        end = source.size if length is None else offset + length
        yield _Bytes(self.run.ask("source", "open", source, offset, end))

    def checksum(self, source: SourceObject) -> Any:
        return source.checksum


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self._rest = data

    def readinto(self, buffer: memoryview) -> int:
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


@dataclass
class DestinationCalls:
    """The port `Destination`. Of an upload session only the last request can be seen by anybody else."""

    run: Run

    def stat(self, name: DestinationName) -> Any:
        return self.run.ask("destination", "stat", name)

    def insert(
        self, name: DestinationName, data: memoryview, crc32c: bytes, attributes: Attributes, if_generation: int
    ):
        return self.run.ask("destination", "insert", name, bytes(data), crc32c, attributes, if_generation)

    def compose(self, name, components, attributes, if_generation, *, delete_components=False):
        return self.run.ask(
            "destination", "compose", name, tuple(components), attributes, if_generation, delete_components
        )

    def begin(self, name: DestinationName, size: int, attributes: Attributes, if_generation: int) -> "_Session":
        return _Session(self.run, name, attributes, if_generation)

    def update_metadata(self, current: DestinationObject, attributes: Attributes) -> Any:
        return self.run.ask("destination", "update_metadata", current, attributes)

    def delete(self, current: DestinationObject) -> None:
        self.run.ask("destination", "delete", current)

    def list_objects(self, bucket: str, prefix: str) -> Iterator[DestinationObject]:
        return iter(self.run.ask("destination", "list_objects", bucket, prefix))

    def discard(self, temporary: DestinationObject) -> None:
        self.run.ask("destination", "discard", temporary)

    def facts(self, bucket: str) -> Any:
        return BUCKET_FACTS


@dataclass
class _Session:
    run: Run
    name: DestinationName
    attributes: Attributes
    if_generation: int
    data: bytes = b""

    def append(self, offset: int, length: int, chunks: Iterator[memoryview]) -> int:
        self.data = self.data[:offset] + b"".join(chunks)
        return len(self.data)

    def finish(self, offset: int, chunk: bytes, crc32c: bytes) -> Any:
        data = self.data[:offset] + bytes(chunk)
        # What it writes, and when, is what an insert does.
        return self.run.ask("destination", "insert", self.name, data, crc32c, self.attributes, self.if_generation)

    def cancel(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Marked(Reconciler):
    """The real one. It says when an attempt, and when a round begins."""

    run: Run = field(kw_only=True)

    def reconcile(self, key: SourceKey, assignment: Assignment, deadline: Deadline, trail: Trail):
        self.run.attempt_begins()
        return Reconciler.reconcile(self, key, assignment, deadline, trail)

    def _round(self, key, assignment, deadline, trail):
        self.run.round_begins(trail)
        return Reconciler._round(self, key, assignment, deadline, trail)


@dataclass(frozen=True, slots=True)
class Setting:
    """Which code is run, and how: the path by which objects are copied, and what is different in a mutant."""

    rule: Rule
    sizes: Sizes
    shortcut: bool
    attempts: int = 1
    reconciler: Callable[..., Reconciler] = Marked
    source: Callable[[Run], Any] = SourceCalls
    destination: Callable[[Run], Any] = DestinationCalls
    patches: tuple[tuple[str, Any], ...] = ()


class State:
    """What a worker was answered, and what it does next: `call`, or where that is `None`, it has ended."""

    __slots__ = ("answers", "call", "done", "following", "id")

    def __init__(self, id_: int, answers: tuple[Answer, ...], call: Call | None, done: bool) -> None:
        self.id, self.answers, self.call, self.done = id_, answers, call, done
        self.following: dict[str, State] = {}


class Program:
    """All states of one worker that were met. A context: in it the code is as the setting says."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.states: list[State] = []
        self.runs = 0
        self._by_key: dict[object, State] = {}
        self._run = Run(())

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            dice = lambda count: self._run.ask("dice", "randbelow", count)  # noqa: E731
            stack.enter_context(patch("replicator.transfer.parts.secrets.randbelow", dice))
            if not self.setting.shortcut:
                stack.enter_context(patch("replicator.reconcile.SHORTCUT_MAX_SIZE", -1))
            for target, replacement in self.setting.patches:
                stack.enter_context(patch(target, replacement))
            self._patches = stack.pop_all()
        self.start = self._reached(())
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def after(self, state: State, answer: Answer) -> State:
        said = repr(answer)
        following = state.following.get(said)
        if following is None:
            following = state.following[said] = self._reached((*state.answers, answer))
        return following

    def _reached(self, answers: tuple[Answer, ...]) -> State:
        self._run = run = Run(answers)
        result = self._execute(run)
        self.runs += 1
        if run.next is None:
            done = _is_done(result)
            key: object = done
        else:
            done, key = False, (run.mark, repr(answers[run.marked_at :]), str(run.next))
        known = self._by_key.get(key)
        if known is None:
            known = self._by_key[key] = State(len(self.states), answers, run.next, done)
            self.states.append(known)
        return known

    def _execute(self, run: Run) -> Any:
        setting, rules = self.setting, RuleSet((self.setting.rule,))
        source, destination = setting.source(run), setting.destination(run)
        transfer = Transfer(
            source,
            destination,
            1,
            memory=Memory(1024),
            workers=OneByOne(),
            sizes=setting.sizes,  # type: ignore[arg-type]
        )
        reconciler = setting.reconciler(source, destination, transfer, rules, run=run)
        engine = Engine(rules, reconciler, RetryPolicy(setting.attempts - 1, 0.0, 1.0, lambda _seconds: None), 60)
        try:
            [result] = engine.replicate(KEY, Deadline(60, lambda: 0.0))
        except Stopped:
            return None
        return result


def _is_done(result: Any) -> bool:
    """Whether the message is acknowledged. What ends in any other error than those of the wire is a bug."""
    if not isinstance(result, Failure):
        return True
    if not isinstance(result.error, Transient) or result.error.__cause__ is not None:
        raise AssertionError(f"{result.error!r}") from result.error
    return False
