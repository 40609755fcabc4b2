"""A copy that one attempt cannot finish is resumed by the command, and told of once."""

import pytest

from replicator.cli.resumption import to_the_end
from replicator.errors import Transient, Unfinished
from replicator.model import Failure, Outcome, Result, SourceKey
from replicator.reasons import Reason

KEY = SourceKey("source", "k")
CREATED = Outcome(Result.CREATED, Reason.DESTINATION_ABSENT, KEY)
UPDATED = Outcome(Result.UPDATED, Reason.SOURCE_CHANGED, KEY)
IN_SYNC = Outcome(Result.UNCHANGED, Reason.IN_SYNC, KEY)
ABSENT = Outcome(Result.UNCHANGED, Reason.SOURCE_NOT_FOUND, KEY)
STUCK = Failure(Transient(Reason.OUT_OF_TIME), KEY)


def unfinished(copied: int) -> Failure:
    return Failure(Unfinished(copied, 10), KEY)


def ended(*attempts: tuple[Outcome | Failure, ...]) -> tuple[Outcome | Failure, ...]:
    """The results of so many attempts, each of which is made."""
    left = list(attempts)
    results = to_the_end(lambda: left.pop(0))
    assert left == []
    return results


@pytest.mark.parametrize("result", [CREATED, IN_SYNC, STUCK])
def test_what_is_not_unfinished_is_not_repeated(result):
    assert ended((result,)) == (result,)


def test_an_unfinished_copy_is_repeated_until_it_is_done():
    assert ended(*((unfinished(copied),) for copied in range(1, 10)), (CREATED,)) == (CREATED,)


def test_one_that_gets_nowhere_any_more_has_failed():
    assert ended((unfinished(5),), (STUCK,)) == (STUCK,)


def test_what_an_earlier_attempt_wrote_is_not_said_to_be_unchanged():
    assert ended((CREATED, unfinished(5)), (IN_SYNC, unfinished(7)), (IN_SYNC, CREATED)) == (CREATED, CREATED)


def test_what_has_happened_since_is_said():
    assert ended((CREATED, unfinished(5)), (UPDATED, ABSENT)) == (UPDATED, ABSENT)
    assert ended((CREATED, unfinished(5)), (ABSENT, ABSENT)) == (ABSENT, ABSENT)
    assert ended((CREATED, unfinished(5)), (STUCK, CREATED)) == (STUCK, CREATED)
    assert ended((STUCK, unfinished(5)), (CREATED, CREATED)) == (CREATED, CREATED)
