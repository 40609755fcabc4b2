"""Carries the checks out, side by side, and lets none of them spoil another."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from threading import BoundedSemaphore, Event, Thread

from replicator.deadline import Deadline
from replicator.doctor.finding import Check, Finding, warning
from replicator.errors import ReplicationError

AT_ONCE = 16
INTERVAL = 0.1
"""Seconds after which Ctrl-C is noticed at the latest."""

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
    turns = BoundedSemaphore(AT_ONCE)
    # Not the threads are waited for: one whose `join` Ctrl-C has interrupted counts as ended in Python 3.11.
    under_way: list[tuple[Examination, Future[list[Finding]]]] = [(one, Future()) for one in examinations]

    def carry_out(examination: Examination, found: Future[list[Finding]]) -> None:
        with turns:
            if found.set_running_or_notify_cancel():
                found.set_result(_carried_out(examination))

    all_found = [found for _, found in under_way]
    try:
        for one in under_way:
            Thread(target=carry_out, args=one, daemon=True).start()
        _wait(all_found, seconds * (1 + len(all_found) // AT_ONCE))
    finally:
        if ended is not None:
            ended.set()
            _wait([found for found in all_found if not found.cancel()], LANDING_SECONDS)
    return [finding for one, found in under_way for finding in _told(one, found, seconds)]


def _wait(all_found: Sequence[Future[list[Finding]]], seconds: float) -> None:
    """In short waits: a signal that arrives just before one begins is not noticed before it ends."""
    deadline = Deadline.after(seconds)
    while deadline.remaining > 0 and not all(found.done() for found in all_found):
        wait(all_found, min(deadline.remaining, INTERVAL))


def _told(examination: Examination, found: Future[list[Finding]], seconds: float) -> list[Finding]:
    if found.done() and not found.cancelled():
        return found.result()
    return [warning(examination.check, examination.subject, f"This took longer than {seconds:g} s.")]


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
