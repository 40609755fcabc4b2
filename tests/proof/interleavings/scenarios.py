"""What is explored: histories of the source, paths, rules, and how much may go wrong."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

from replicator.rules import Deletes, Foreign, Rule
from replicator.transfer import Sizes
from tests.proof.interleavings.calls import Setting
from tests.proof.interleavings.explore import Bounds

SOURCES = frozenset({"source"})
PROPAGATE = Rule("deletes propagate", SOURCES, "replica", Deletes.PROPAGATE)
IGNORE = Rule("deletes ignored", SOURCES, "replica", Deletes.IGNORE)
KEEP_FOREIGN = Rule("foreign kept", SOURCES, "replica", Deletes.PROPAGATE, Foreign.KEEP)

WHOLE = Sizes()
STREAM = Sizes(whole_max=0, parts_min=100)
PARTS = Sizes(whole_max=0, parts_min=1, part=1)
"""Objects of two bytes are copied in two parts."""

PATHS = {
    "shortcut": Setting(PROPAGATE, WHOLE, shortcut=True),
    "whole": Setting(PROPAGATE, WHOLE, shortcut=False),
    "stream": Setting(PROPAGATE, STREAM, shortcut=False),
    "parts": Setting(PROPAGATE, PARTS, shortcut=False),
}


@dataclass(frozen=True, slots=True)
class Scenario:
    """`path` names the setting; `attempts` is how often one request tries."""

    path: str
    operations: tuple[str, ...]
    bounds: Bounds
    rule: Rule = PROPAGATE
    attempts: int = 1

    @property
    def setting(self) -> Setting:
        return replace(PATHS[self.path], rule=self.rule, attempts=self.attempts)

    def __str__(self) -> str:
        bounds = self.bounds
        counts = {
            "duplicate": bounds.duplicates,
            "crash": bounds.crashes,
            "lost answer": bounds.losses,
            "foreign write": bounds.foreign,
        }
        wrong = "".join(f", {count} {what}" for what, count in counts.items() if count)
        return f"{self.path}: {', '.join(self.operations)}; {self.rule.id}; {bounds.workers} workers{wrong}"


HISTORIES = (
    ("put a", "put b", "delete"),
    ("put a", "touch", "delete"),
    ("put a", "delete", "put b"),
    ("put a", "delete", "put a"),
    ("put a", "delete", "undelete"),
)


def short() -> Iterator[Scenario]:
    """A minute or so for all."""
    for path, history, rule in product(("shortcut", "whole"), HISTORIES, (PROPAGATE, IGNORE)):
        yield Scenario(path, history, Bounds(2, duplicates=1, crashes=1), rule)
    for history in HISTORIES:
        yield Scenario("whole", history, Bounds(3))
    for history in HISTORIES[:3]:
        yield Scenario("shortcut", history, Bounds(2, losses=1), attempts=2)
    yield Scenario("stream", HISTORIES[0], Bounds(2))
    yield Scenario("whole", ("put a", "delete"), Bounds(2, foreign=1), KEEP_FOREIGN)
    yield Scenario("whole", ("put a", "delete"), Bounds(2, foreign=1, losses=1), attempts=2)
    yield Scenario("parts", ("put a",), Bounds(2, duplicates=1))
    yield Scenario("parts", ("put a", "delete"), Bounds(2))
    yield Scenario("parts", ("put a", "delete"), Bounds(2), IGNORE)


def long() -> Iterator[Scenario]:
    """What takes minutes, beside the short ones."""
    for history in HISTORIES:
        yield Scenario("shortcut", history, Bounds(3, duplicates=1))
        yield Scenario("whole", history, Bounds(2, crashes=1, losses=1), attempts=2)
        yield Scenario("whole", history, Bounds(2, foreign=1), KEEP_FOREIGN)
        yield Scenario("stream", history, Bounds(2, crashes=1))
    yield Scenario("whole", HISTORIES[2], Bounds(2, foreign=1, losses=1), attempts=2)
    yield Scenario("parts", ("put a", "put b"), Bounds(2))
    yield Scenario("parts", ("put a",), Bounds(2, duplicates=1, crashes=1))
    yield Scenario("parts", ("put a", "delete"), Bounds(2, crashes=1))
    yield Scenario("parts", ("put a", "touch"), Bounds(2))
    yield Scenario("parts", ("put a", "delete", "put b"), Bounds(2))
    yield Scenario("parts", ("put a",), Bounds(2, foreign=1))
    yield Scenario("parts", ("put a",), Bounds(2, foreign=1), KEEP_FOREIGN)
