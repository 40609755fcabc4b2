"""Carries the checks out, side by side, and lets none of them spoil another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Thread

from replicator.deadline import Deadline
from replicator.doctor.finding import Check, Finding, warning
from replicator.errors import ReplicationError

AT_ONCE = 16
LANDING_SECONDS = 30
"""For what has something to clean up when it is told to end."""


@dataclass(frozen=True, slots=True)
class Examination:
    """Looks at one subject and says what is found. `check` stands for it where that comes to nothing."""

    check: Check
    subject: str
    carry_out: Callable[[], Iterable[Finding]]


def examine(examinations: Sequence[Examination], seconds: float, ended: Event | None = None) -> list[Finding]:
    """All findings, in the order of the examinations. Each has `seconds`; what is not done by then is a warning.

    The threads are left behind where they hang, or at Ctrl-C: they only look. Those that do more heed `ended`, which is
    set then, and are waited for.
    """
    found: dict[int, list[Finding]] = {}
    turns = BoundedSemaphore(AT_ONCE)

    def carry_out(number: int) -> None:
        with turns:
            found[number] = _carried_out(examinations[number])

    threads = [Thread(target=carry_out, args=(number,), daemon=True) for number in range(len(examinations))]
    for thread in threads:
        thread.start()
    try:
        _join(threads, seconds * (1 + len(threads) // AT_ONCE))
    finally:
        if ended is not None:
            ended.set()
            _join(threads, LANDING_SECONDS)
    late = [[warning(one.check, one.subject, f"This took longer than {seconds:g} s.")] for one in examinations]
    return [finding for number, otherwise in enumerate(late) for finding in found.get(number, otherwise)]


def _join(threads: Iterable[Thread], seconds: float) -> None:
    deadline = Deadline.after(seconds)
    for thread in threads:
        thread.join(max(0.0, deadline.remaining))


def _carried_out(examination: Examination) -> list[Finding]:
    """What was found before something went wrong counts, too."""
    found: list[Finding] = []
    try:
        found.extend(examination.carry_out())
        return found
    except ReplicationError as error:
        said = f"This could not be looked at: {error.reason.explained(error.detail)}"
    except Exception as error:  # one check must not end the others; its text may hold anything
        said = f"This could not be looked at: {type(error).__name__}."
    return [*found, warning(examination.check, examination.subject, said)]
