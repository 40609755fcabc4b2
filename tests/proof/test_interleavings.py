"""Every interleaving of the real protocol within bounds: no promise is broken; and where a guard is missing, one is."""

import time

import pytest

from tests.proof.conftest import Proof
from tests.proof.interleavings.calls import Program
from tests.proof.interleavings.explore import Bounds, Explored, Explorer
from tests.proof.interleavings.mutants import MUTANTS
from tests.proof.interleavings.scenarios import Scenario, long, short
from tests.proof.interleavings.world import Violated, World

MUTANT_SCENARIOS = {
    "the source is looked at before the destination": Scenario("whole", ("put a", "delete", "put a"), Bounds(2)),
    "no last look": Scenario("whole", ("put a", "delete"), Bounds(2)),
    "the shortcut for an absent source": Scenario("shortcut", ("put a", "delete"), Bounds(2)),
    "no pin": Scenario("whole", ("put a", "put b"), Bounds(1)),
    "no condition on writes": Scenario("whole", ("put a", "put b"), Bounds(2)),
    "no condition on deletes": Scenario("whole", ("put a", "delete", "put b"), Bounds(2)),
    "no condition on metadata": Scenario("whole", ("put a", "touch", "put b"), Bounds(2)),
    "no condition on parts": Scenario("parts", ("put a",), Bounds(2, duplicates=1)),
    "composing without asking for missing parts": Scenario("parts", ("put a",), Bounds(1)),
    "a lost write is forgotten": Scenario("shortcut", ("put a", "delete"), Bounds(2, losses=1), attempts=2),
}
"""Where each mutant is caught: the smallest found."""


def explored(scenario: Scenario, mutant: str | None = None) -> Explored:
    setting = MUTANTS[mutant](scenario.setting) if mutant else scenario.setting
    with Program(setting) as program:
        return Explorer(World(scenario.operations, scenario.rule), program, scenario.bounds).explore()


def test_no_interleaving_breaks_a_promise(proof: Proof) -> None:
    rows, began = [], time.monotonic()
    for scenario in [*short(), *(long() if proof.long else ())]:
        found = explored(scenario)
        assert found.schedules > 1
        rows.append((scenario, found))
    proof.report("interleavings", _table(rows, time.monotonic() - began))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_a_guard_a_promise_is_broken(mutant: str) -> None:
    scenario = MUTANT_SCENARIOS[mutant]
    assert explored(scenario).schedules > 1
    with pytest.raises(Violated):
        explored(scenario, mutant)


def test_what_is_broken_comes_with_the_schedule_that_led_there() -> None:
    with pytest.raises(Violated, match=r"(?s)deleted object is left.*after\n  put a\n.*destination\.insert"):
        explored(MUTANT_SCENARIOS["no last look"], "no last look")


def _table(rows: list[tuple[Scenario, Explored]], seconds: float) -> str:
    head = "| what is explored | states | steps | schedules |\n| --- | ---: | ---: | ---: |\n"
    lines = "\n".join(f"| {name} | {one.states:,} | {one.steps:,} | {one.schedules:.2g} |" for name, one in rows)
    states, steps = (sum(getattr(one, what) for _, one in rows) for what in ("states", "steps"))
    schedules = sum(one.schedules for _, one in rows)
    return (
        f"{head}{lines}\n| **together** | **{states:,}** | **{steps:,}** | **{schedules:.2g}** |\n\n"
        f"It took {seconds:.0f} s. No promise was broken; each of the {len(MUTANTS)} mutants broke one."
    )
