"""Every fault on the wire, at every call, ends in right content, or in a clean failure that redelivery repairs.

Which cells there are is told by `wire.matrix`, what is asked of each by `wire.checker`.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from time import perf_counter

import pytest

from tests.proof.conftest import Proof
from tests.proof.wire.answers import GRPC
from tests.proof.wire.calls import SCENARIOS, Scenario
from tests.proof.wire.checker import Ended, Result, Verdict, failures, run_cell, run_undisturbed
from tests.proof.wire.matrix import Cell, Row, cells, sample
from tests.proof.wire.mutants import MUTANTS, Mutant
from tests.proof.wire.report import report
from tests.proof.wire.running import running_world
from tests.proof.wire.world import Side, World

EVERY = list(cells())
SHARE, SEED = 10, 20261121
"""One cell of so many is in the short form, drawn by that seed."""

TRIES = 3
"""Without patience a machine that is busy may be a fault by itself, and keep the one that is meant from happening."""


class Worlds:
    """The service with patience for a busy machine, or without, for what stalls: one at a time, since half of what it
    is made of belongs to the process."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack, self._numbers = folder, stack, count(1)
        self._world: tuple[bool, World] | None = None
        self._usual: dict[str, Result | None] = {}
        self.ended: list[Ended] = []
        self.began = perf_counter()

    def run(self, cell: Cell) -> Ended:
        usual = self._usually(cell.scenario)
        for _ in range(TRIES if cell.needs_impatience else 1):
            ended = run_cell(self._of(cell.needs_impatience), cell, usual, self._key(cell.scenario))
            if ended.struck:
                break
        return ended

    def _of(self, impatient: bool) -> World:
        if self._world is None or self._world[0] is not impatient:
            self._stack.close()
            limits = (0.1, 1.0, 9) if impatient else (5.0, 60.0, 1)
            self._world = impatient, self._stack.enter_context(running_world(self._folder, *limits))
        return self._world[1]

    def _usually(self, scenario: Scenario) -> Result | None:
        if scenario.name not in self._usual:
            self._usual[scenario.name] = run_undisturbed(self._of(impatient=False), scenario, self._key(scenario))
        return self._usual[scenario.name]

    def _key(self, scenario: Scenario) -> str:
        return f"{scenario.name.replace(' ', '-')}-{next(self._numbers)}"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worlds]:
    with ExitStack() as stack:
        yield Worlds(tmp_path_factory.mktemp("wire"), stack)


def chosen(proof: Proof) -> list[Cell]:
    return EVERY if proof.long else sample(EVERY, SHARE, SEED)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("stalls", [False, True], ids=["others", "stalls"])
def test_every_fault_ends_in_right_content_or_in_a_clean_failure_that_redelivery_repairs(
    proof: Proof, worlds: Worlds, scenario: Scenario, stalls: bool
) -> None:
    mine = [cell for cell in chosen(proof) if cell.scenario is scenario and cell.needs_impatience is stalls]
    ended = [worlds.run(cell) for cell in mine]
    worlds.ended += ended
    assert not list(failures(ended))


def test_how_all_of_them_ended_is_reported(proof: Proof, worlds: Worlds) -> None:
    assert {ended.cell.id for ended in worlds.ended} == {cell.id for cell in chosen(proof)}
    text = report(worlds.ended, EVERY, perf_counter() - worlds.began)
    proof.report("faults", text if proof.long else f"Drawn with seed {SEED}. {text}")


# --- The table --------------------------------------------------------------------------------------------------------


def test_the_table_leaves_out_nothing_but_what_its_rules_say() -> None:
    there = {(cell.variant.row, cell.column) for cell in EVERY}
    for scenario in SCENARIOS:
        for call in scenario.calls:
            missing = {row for row in Row if (row, (call.side, call.name)) not in there}
            later = {row for row in Row if "Retry-After" in row}
            allowed = later if call.side in GRPC else set()
            allowed |= {Row.EXPIRED} if call.side not in (Side.S3, Side.STORAGE) or not call.signs else set()
            allowed |= {Row.TLS} if call.side is Side.METADATA else set()
            assert missing <= allowed, call.name


def test_no_two_cells_are_the_same() -> None:
    assert len({cell.id for cell in EVERY}) == len(EVERY)


def test_the_short_form_has_each_fault_at_each_side_and_each_call_at_each_of_its_places() -> None:
    short = sample(EVERY, SHARE, SEED)
    for kind in (
        lambda cell: (cell.call.side, cell.variant.row),
        lambda cell: (cell.scenario.name, cell.call, cell.place),
    ):
        assert {kind(cell) for cell in short} == {kind(cell) for cell in EVERY}


# --- A cell can fail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.breaks.__name__} - {mutant.complaint}")
def test_a_cell_fails_where_the_service(worlds: Worlds, monkeypatch: pytest.MonkeyPatch, mutant: Mutant) -> None:
    cell = next(cell for cell in EVERY if cell.id.startswith(mutant.cell))
    assert worlds.run(cell).verdict is not Verdict.WRONG
    mutant.breaks(monkeypatch)
    ended = worlds.run(cell)
    assert ended.verdict is Verdict.WRONG
    assert any(said.startswith(mutant.complaint) for said in ended.complaints), ended.complaints
