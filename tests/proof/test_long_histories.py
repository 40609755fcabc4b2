"""Beyond what can be explored to the end: many workers, long histories, many faults, in schedules that are drawn."""

from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.proof.conftest import Proof
from tests.proof.interleavings.calls import Program, Setting
from tests.proof.interleavings.explore import Bounds, Explorer
from tests.proof.interleavings.mutants import MUTANTS
from tests.proof.interleavings.scenarios import PATHS
from tests.proof.interleavings.world import Violated, World

SEED = 20261121
MANY = Bounds(workers=5, duplicates=4, crashes=4, losses=3, foreign=1)


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, ...]:
    """Only what is there can be touched or deleted, and only what was deleted can come back."""
    operations: list[str] = []
    there = False
    for _ in range(draw(st.integers(1, 12))):
        possible = ["put a", "put b", *(["touch", "delete"] if there else ["undelete"] if operations else [])]
        operations.append(draw(st.sampled_from(possible)))
        there = operations[-1] != "delete"
    return tuple(operations)


def walk(setting: Setting, schedules: int) -> int:
    """Walks through so many drawn schedules, each to its end; returns of how many steps they were."""
    steps = []
    with Program(setting) as program:

        @seed(SEED)
        @settings(
            max_examples=schedules,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(histories(), st.integers(0, 2**32))
        def draw(operations: tuple[str, ...], schedule: int) -> None:
            world = World(operations, setting.rule)
            steps.append(len(Explorer(world, program, MANY).walk(Random(schedule).choice)))

        draw()
    return sum(steps)


def test_many_workers_over_long_histories_break_no_promise(proof: Proof) -> None:
    schedules = 500 if proof.long else 30
    rows = [(path, walk(PATHS[path], schedules)) for path in PATHS]
    assert all(steps >= schedules for _, steps in rows)
    lines = "\n".join(f"| {path} | {schedules:,} | {steps:,} |" for path, steps in rows)
    proof.report(
        "long histories",
        f"| path | schedules | steps |\n| --- | ---: | ---: |\n{lines}\n\n"
        f"Up to 12 operations, {MANY.workers} workers, {MANY.duplicates} duplicates, {MANY.crashes} crashes, "
        f"{MANY.losses} lost answers, one foreign write; seed {SEED}.",
    )


@pytest.mark.parametrize("mutant", ["no condition on writes", "no pin"])
def test_a_missing_guard_is_found_in_long_histories_too(mutant: str) -> None:
    with pytest.raises(Violated):
        walk(MUTANTS[mutant](PATHS["whole"]), schedules=1000)
