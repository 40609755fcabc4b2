"""What the process's exit code says to scripts."""

from collections.abc import Sequence
from enum import IntEnum

from replicator.errors import Permanent, ReplicationError
from replicator.explain import Explanation
from replicator.model import Failure, Outcome, Result
from replicator.reasons import Reason


class ExitCode(IntEnum):
    """The codes above 64 are those of sysexits.h; 130 is what a shell says of a program that Ctrl-C ended."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    OUT_OF_SYNC = 3
    SOURCE_NOT_FOUND = 4
    UNSOUND = 5
    UNEXPECTED = 70
    TRY_AGAIN = 75
    INTERRUPTED = 130


def of_error(error: ReplicationError) -> ExitCode:
    """Only what is not permanent is worth another try."""
    if error.reason is Reason.UNEXPECTED:
        return ExitCode.UNEXPECTED
    if error.reason is Reason.DESTINATION_NOT_FOUND:
        return ExitCode.OUT_OF_SYNC
    return ExitCode.REFUSED if isinstance(error, Permanent) else ExitCode.TRY_AGAIN


def of_result(result: Outcome | Failure) -> ExitCode:
    """Of one destination: `DONE` only if it is now as the source is, so that a script may rely on the replica."""
    if isinstance(result, Failure):
        return of_error(result.error)
    if result.reason in (Reason.SOURCE_NOT_FOUND, Reason.DELETES_IGNORED):
        return ExitCode.SOURCE_NOT_FOUND
    return ExitCode.REFUSED if result.result in (Result.KEPT, Result.IGNORED) else ExitCode.DONE


def of_results(results: Sequence[Outcome | Failure]) -> ExitCode:
    """The worst of all destinations. One whose filter the object does not pass counts only if there is no other."""
    wanted = [result for result in results if isinstance(result, Failure) or result.result is not Result.IGNORED]
    return max((of_result(result) for result in wanted or results), key=_SEVERITY.index)


def of_status(explanation: Explanation) -> ExitCode:
    """`DONE` if every destination that the object is meant for is in sync."""
    if explanation.unread:
        return of_explanation(explanation)
    wanted = [found for found in explanation.prospects if not found.filtered]
    if not wanted:
        return ExitCode.REFUSED
    return ExitCode.DONE if all(found.in_sync for found in wanted) else ExitCode.OUT_OF_SYNC


def of_explanation(explanation: Explanation) -> ExitCode:
    """`DONE` if nothing is missing from it, whatever it says."""
    return of_errors(explanation.unread)


def of_errors(errors: Sequence[ReplicationError]) -> ExitCode:
    """The worst of them; `DONE` if there is none."""
    return max(map(of_error, errors), key=_SEVERITY.index, default=ExitCode.DONE)


_SEVERITY = (
    ExitCode.DONE,
    ExitCode.SOURCE_NOT_FOUND,
    ExitCode.OUT_OF_SYNC,
    ExitCode.REFUSED,
    ExitCode.TRY_AGAIN,
    ExitCode.UNEXPECTED,
)
