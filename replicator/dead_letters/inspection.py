"""What the service would do with a dead letter if it were delivered now. Writes nothing.

A message does not say why it was given up; it is read as the service reads it, and the engine foresees what would
become of it. So a message whose cause is mended shows as such.
"""

from base64 import b64encode
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass

from replicator.deadline import Deadline
from replicator.engine import Engine
from replicator.errors import Permanent
from replicator.events import parse_document
from replicator.model import DeadLetter, Failure, IgnoredEvent, Notice, Outcome
from replicator.reasons import Reason
from replicator.rules import RuleSet

INSPECTED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Aspect:
    """One of the things that are to be said of a dead letter: of one destination, of an event, or of the whole.

    `rules` are those that may have led there: several where it depends on the object which one it is.
    """

    reason: Reason
    key: str | None = None
    rules: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Event:
    """One event in a dead letter, and what would become of each destination; no result where it asks for nothing."""

    notice: Notice
    results: tuple[Outcome | Failure, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A dead letter, and what stands in its way now. `malformed` says why it has no events that could be read."""

    letter: DeadLetter
    events: tuple[Event, ...]
    aspects: tuple[Aspect, ...]
    malformed: Permanent | None = None

    @property
    def mended(self) -> bool:
        """Whether the service would acknowledge it, as far as can be told without moving a byte."""
        failed = any(isinstance(result, Failure) for event in self.events for result in event.results)
        return self.malformed is None and not failed


def inspect(letter: DeadLetter, engine: Engine, deadline: Deadline) -> Inspection:
    """Never raises: what fails is part of the answer."""
    try:
        notices = parse_document({"message": {"data": b64encode(letter.data).decode()}})
    except Permanent as error:
        return Inspection(letter, (), (Aspect(error.reason),), error)
    events = tuple(Event(notice, _foreseen(notice, engine, deadline)) for notice in notices)
    aspects = tuple(aspect for event in events for aspect in _aspects(event, engine.rules))
    return Inspection(letter, events, aspects)


def inspect_all(letters: Sequence[DeadLetter], engine: Engine, deadline: Deadline) -> tuple[Inspection, ...]:
    """As `inspect`, several side by side."""
    with ThreadPoolExecutor(INSPECTED_AT_ONCE, "inspect") as pool:
        running = [pool.submit(copy_context().run, inspect, letter, engine, deadline) for letter in letters]
        return tuple(future.result() for future in running)


def _foreseen(notice: Notice, engine: Engine, deadline: Deadline) -> tuple[Outcome | Failure, ...]:
    return () if isinstance(notice, IgnoredEvent) else engine.replicate(notice.source, deadline, dry_run=True)


def _aspects(event: Event, rules: RuleSet) -> tuple[Aspect, ...]:
    if isinstance(event.notice, IgnoredEvent):
        return (Aspect(event.notice.reason),)
    return tuple(_aspect(result, rules) for result in event.results)


def _aspect(result: Outcome | Failure, rules: RuleSet) -> Aspect:
    reason = result.error.reason if isinstance(result, Failure) else result.reason
    if result.rule:
        return Aspect(reason, result.source.key, frozenset({result.rule}))
    possible = (found.rules for found in rules.assignments(result.source) if found.destination == result.destination)
    return Aspect(reason, result.source.key, frozenset(rule.id for candidates in possible for rule in candidates))
