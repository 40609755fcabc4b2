"""Every schedule of some workers, the source's user, Pub/Sub and what can go wrong, on the real code.

A step is one call of one worker, or one thing that happens: an operation of the user, a delivery, a duplicate, a crash,
a lost answer, somebody else's write. States that were met are not entered again, so what is explored are all schedules,
though most are never walked one by one; their number is counted all the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from replicator.errors import Transient
from replicator.reasons import Reason
from tests.proof.interleavings.calls import Answer, Program
from tests.proof.interleavings.world import Violated, World

NOBODY = -1


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many workers there are, and how often each thing may happen."""

    workers: int
    duplicates: int = 0
    crashes: int = 0
    losses: int = 0
    foreign: int = 0


class Worker(NamedTuple):
    """At which state of the program it is, and the request of its that is still on its way, if there is one."""

    state: int
    lost: int = NOBODY


class Lost(NamedTuple):
    """A request without anybody who waits for it. It may still be carried out, or not.

    Where its message is `due` again, that comes after it: Pub/Sub delivers again after the ack deadline, and no request
    is on its way for so long.
    """

    state: int
    due: bool


class State(NamedTuple):
    """All there is. Workers are alike, and so are messages, since nothing depends on what an event says."""

    position: int
    destination: int
    messages: int
    workers: tuple[Worker, ...]
    lost: tuple[Lost, ...]
    duplicates: int
    crashes: int
    losses: int
    foreign: int


Step = tuple[str, State]


@dataclass(frozen=True, slots=True)
class Explored:
    """What was explored without a broken promise."""

    states: int
    steps: int
    schedules: int


class Explorer:
    """Walks through all that can happen within `bounds`. `program` is entered already."""

    def __init__(self, world: World, program: Program, bounds: Bounds) -> None:
        self.world, self.program, self.bounds = world, program, bounds
        self._by_source: dict[tuple[int, int], int] = {}
        self._by_destination: dict[tuple[int, int], tuple[int, int]] = {}
        self._without_answer: dict[int, int] = {}

    @property
    def first(self) -> State:
        bounds = self.bounds
        return State(0, 0, 0, (), (), bounds.duplicates, bounds.crashes, bounds.losses, bounds.foreign)

    def explore(self) -> Explored:
        """Raises `Violated`, with the schedule that led there."""
        schedules: dict[State, int | None] = {self.first: None}
        stack: list[tuple[str, State, Iterator[Step], list[int]]] = [("", self.first, self.steps(self.first), [0])]
        taken = 0
        try:
            while stack:
                _, state, steps, total = stack[-1]
                for label, following in steps:
                    taken += 1
                    if following in schedules:
                        known = schedules[following]
                        if known is None:
                            raise Violated(f"it goes round in circles: {label}")
                        total[0] += known
                        continue
                    stack.append((label, following, iter(()), [0]))
                    self.check(state, following)
                    schedules[following] = None
                    stack[-1] = (label, following, self.steps(following), [0])
                    break
                else:
                    stack.pop()
                    schedules[state] = total[0] or 1
                    if stack:
                        stack[-1][3][0] += schedules[state] or 0
        except AssertionError as error:
            schedule = "\n".join(f"  {label}" for label, *_ in stack[1:])
            raise Violated(f"{error}, after\n{schedule}") from error
        return Explored(len(schedules), taken, schedules[self.first] or 0)

    def walk(self, choose: Callable[[list[Step]], Step]) -> list[str]:
        """One schedule to its end. Raises `Violated`."""
        state, schedule = self.first, list[str]()
        try:
            while steps := list(self.steps(state)):
                label, following = choose(steps)
                schedule.append(label)
                self.check(state, following)
                state = following
        except AssertionError as error:
            raise Violated(f"{error}, after\n" + "\n".join(f"  {label}" for label in schedule)) from error
        return schedule

    def check(self, before: State, after: State) -> None:
        """Raises `Violated`."""
        if before.destination != after.destination:
            self.world.check_step(after.position, before.destination, after.destination)
        if not (after.messages or after.workers or after.lost):
            left = self.bounds
            undisturbed = (after.crashes, after.losses, after.foreign) == (left.crashes, left.losses, left.foreign)
            self.world.check_quiet(after.position, after.destination, undisturbed)

    def steps(self, state: State) -> Iterator[Step]:
        """All that can happen next, and what is then."""
        yield from self._outside(state)
        for index, worker in enumerate(state.workers):
            if index and worker == state.workers[index - 1]:
                continue
            others = state.workers[:index] + state.workers[index + 1 :]
            yield from self._of_worker(state._replace(workers=others), worker)
        for index, lost in enumerate(state.lost):
            others_lost = state.lost[:index] + state.lost[index + 1 :]
            rest = state._replace(lost=others_lost, messages=state.messages + lost.due)
            yield "a lost request comes to nothing", rest
            _, destination = self._asked_destination(lost.state, state.destination)
            if destination != state.destination:
                yield "a lost request is carried out after all", rest._replace(destination=destination)

    def _outside(self, state: State) -> Iterator[Step]:
        if state.duplicates and state.position:
            yield "a duplicate", state._replace(duplicates=state.duplicates - 1, messages=state.messages + 1)
        if state.messages and len(state.workers) < self.bounds.workers:
            started = _with(state, Worker(self.program.start.id))
            yield "a delivery", started._replace(messages=state.messages - 1)
        if any(not lost.due for lost in state.lost):
            return
        if state.position < len(self.world.operations):
            happened = state._replace(position=state.position + 1, messages=state.messages + 1)
            yield self.world.operations[state.position], happened
        if state.foreign:
            written = self.world.put_foreign(state.destination)
            yield (
                "somebody else writes, and an event comes",
                state._replace(destination=written, foreign=state.foreign - 1, messages=state.messages + 1),
            )

    def _of_worker(self, rest: State, worker: Worker) -> Iterator[Step]:
        """`rest` is the state without the worker."""
        call = self.program.states[worker.state].call
        assert call
        if call.side == "dice":
            for thrown in range(call.arguments[0]):
                yield f"dice: {thrown}", self._goes_on(rest, worker, self._after(worker.state, Answer(thrown)))
        elif call.side == "source":
            at = worker.state, rest.position
            if at not in self._by_source:
                self._by_source[at] = self._after(worker.state, self.world.ask_source(call, rest.position))
            yield f"worker: {call}", self._goes_on(rest, worker, self._by_source[at])
        else:
            following, destination = self._asked_destination(worker.state, rest.destination)
            yield f"worker: {call}", self._goes_on(rest._replace(destination=destination), worker, following)
        if rest.crashes and worker.lost == NOBODY:
            crashed = rest._replace(crashes=rest.crashes - 1)
            yield f"crash before {call}", crashed._replace(messages=rest.messages + 1)
            if call.writes:
                yield f"crash with {call} on its way", _losing(crashed, Lost(worker.state, due=True))
        if rest.losses and call.side != "dice":
            failed = rest._replace(losses=rest.losses - 1)
            if worker.state not in self._without_answer:
                side = Reason.SOURCE_UNAVAILABLE if call.side == "source" else Reason.DESTINATION_UNAVAILABLE
                self._without_answer[worker.state] = self._after(worker.state, Answer(error=Transient(side)))
            lost = worker._replace(lost=worker.state) if call.writes else worker
            yield f"no answer to {call}", self._goes_on(failed, lost, self._without_answer[worker.state])

    def _goes_on(self, rest: State, worker: Worker, following: int) -> State:
        state = self.program.states[following]
        if state.call:
            return _with(rest, worker._replace(state=following))
        if worker.lost != NOBODY:
            return _losing(rest, Lost(worker.lost, due=not state.done))
        return rest if state.done else rest._replace(messages=rest.messages + 1)

    def _asked_destination(self, number: int, destination: int) -> tuple[int, int]:
        at = number, destination
        if at not in self._by_destination:
            call = self.program.states[number].call
            assert call
            answer, changed = self.world.ask_destination(call, destination)
            self._by_destination[at] = self._after(number, answer), changed
        return self._by_destination[at]

    def _after(self, number: int, answer: Answer) -> int:
        return self.program.after(self.program.states[number], answer).id


def _with(state: State, worker: Worker) -> State:
    return state._replace(workers=tuple(sorted((*state.workers, worker))))


def _losing(state: State, lost: Lost) -> State:
    return state._replace(lost=tuple(sorted((*state.lost, lost))))
