"""Runs a check on many drawn examples, and counts what was tried."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from time import process_time
from typing import TypeVar

import hypothesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Example = TypeVar("Example")


@dataclass
class Row:
    tried: int = 0
    longest: float = 0.0


@dataclass
class Tally:
    """What was tried, and how long each took by `clock`; by default in seconds of this process's CPUs, so that it says
    little of what else the machine does. The long form draws a seed; the short one is always the same."""

    clock: Callable[[], float] = process_time
    long: bool = False
    drawn: int = field(default_factory=lambda: random.SystemRandom().randrange(2**32))
    rows: dict[tuple[str, str], Row] = field(default_factory=dict)

    @property
    def seed(self) -> int:
        return self.drawn if self.long else 0

    def timed(self, door: str, kind: str, act: Callable[[], Example]) -> Example:
        row = self.rows.setdefault((door, kind), Row())
        started = self.clock()
        try:
            return act()
        finally:
            row.tried += 1
            row.longest = max(row.longest, self.clock() - started)

    def fuzz(
        self, strategy: st.SearchStrategy[Example], check: Callable[[Example], None], short: int, long: int
    ) -> None:
        """A failure prints its example; the seed is printed, too, and in the report."""
        print(f"seed {self.seed}")  # noqa: T201  pytest shows it with a failure

        @hypothesis.seed(self.seed)
        @settings(
            max_examples=long if self.long else short,
            suppress_health_check=list(HealthCheck),
        )
        @given(strategy)
        def run(example: Example) -> None:
            check(example)

        run()

    def report(self) -> str:
        """How many inputs there were of each kind at each place, and the longest time in seconds that one took."""
        places = sorted({place for place, _ in self.rows if place.startswith(("POST", "pars"))})
        lines = [f"| input | {' | '.join(f'`{place}`' for place in places)} |", "|---" * (1 + len(places)) + "|"]
        for kind in sorted({kind for place, kind in self.rows if place in places}):
            tried = [self.rows.get((place, kind), Row()).tried for place in places]
            lines.append(f"| {kind} | {' | '.join(f'{count:,}' for count in tried)} |")
        longest = [max(row.longest for (where, _), row in self.rows.items() if where == place) for place in places]
        lines.append(f"| longest, s | {' | '.join(f'{seconds:.2f}' for seconds in longest)} |")
        others = [(place, row) for (place, _), row in self.rows.items() if place not in places]
        if others:
            tried, slowest = sum(row.tried for _, row in others), max(row.longest for _, row in others)
            lines += ["", f"{len(others)} other operations: {tried:,} inputs, the longest took {slowest:.2f} s."]
        return "\n".join([f"Seed {self.seed}.", "", *lines])
