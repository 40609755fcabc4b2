"""Carries the checks out, side by side, and lets none of them spoil another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import BoundedSemaphore, Thread

from replicator.deadline import Deadline
from replicator.doctor.finding import Check, Finding, warning
from replicator.errors import ReplicationError

AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Examination:
    """Looks at one subject and says what is found. `check` stands for it where that comes to nothing."""

    check: Check
    subject: str
    carry_out: Callable[[], Iterable[Finding]]


def examine(examinations: Sequence[Examination], seconds: float) -> list[Finding]:
    """All findings, in the order of the examinations. Each has `seconds`; what is not done by then is a warning.

    The threads are left behind where they hang: they only look.
    """
    found: dict[int, list[Finding]] = {}
    turns = BoundedSemaphore(AT_ONCE)

    def carry_out(number: int) -> None:
        with turns:
            found[number] = _carried_out(examinations[number])

    threads = [Thread(target=carry_out, args=(number,), daemon=True) for number in range(len(examinations))]
    for thread in threads:
        thread.start()
    deadline = Deadline.after(seconds * (1 + len(threads) // AT_ONCE))
    for thread in threads:
        thread.join(max(0.0, deadline.remaining))
    late = [[warning(one.check, one.subject, f"This took longer than {seconds:g} s.")] for one in examinations]
    return [finding for number, otherwise in enumerate(late) for finding in found.get(number, otherwise)]


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
