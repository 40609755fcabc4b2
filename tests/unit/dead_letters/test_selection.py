"""Which dead letters are meant: all that is asked for holds, of one thing that the message says."""

from datetime import UTC, datetime, timedelta

import pytest

from replicator.dead_letters import Aspect, Inspection, Selection
from replicator.errors import Permanent
from replicator.model import DeadLetter
from replicator.reasons import Reason
from replicator.rules import Glob

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DENIED = Aspect(Reason.SOURCE_ACCESS_DENIED, "reports/1", frozenset({"reports"}))
CREATED = Aspect(Reason.DESTINATION_ABSENT, "images/1", frozenset({"images", "all"}))
MALFORMED = Aspect(Reason.EVENT_MALFORMED)


def letter(*aspects: Aspect, hours: float = 2) -> Inspection:
    message = DeadLetter("h", "m", b"", {}, NOW - timedelta(hours=hours))
    failing = aspects and aspects[0].reason is Reason.EVENT_MALFORMED
    return Inspection(message, (), aspects, Permanent(Reason.EVENT_MALFORMED) if failing else None)


HOURS = timedelta(hours=1)


@pytest.mark.parametrize(
    ("selection", "aspects", "meant"),
    [
        (Selection(), (DENIED,), True),
        (Selection(), (MALFORMED,), True),
        (Selection(frozenset({Reason.SOURCE_ACCESS_DENIED})), (DENIED,), True),
        (Selection(frozenset({Reason.SOURCE_ACCESS_DENIED})), (CREATED, DENIED), True),
        (Selection(frozenset({Reason.SOURCE_ACCESS_DENIED})), (CREATED,), False),
        (Selection(frozenset({Reason.EVENT_MALFORMED, Reason.SOURCE_ACCESS_DENIED})), (MALFORMED,), True),
        (Selection(rule="reports"), (DENIED,), True),
        (Selection(rule="images"), (CREATED,), True),
        (Selection(rule="images"), (DENIED,), False),
        (Selection(rule="images"), (MALFORMED,), False),
        (Selection(key=Glob("reports/*")), (DENIED,), True),
        (Selection(key=Glob("reports/*")), (CREATED,), False),
        (Selection(key=Glob("**")), (MALFORMED,), False),
        (Selection(frozenset({Reason.SOURCE_ACCESS_DENIED}), key=Glob("images/*")), (CREATED, DENIED), False),
        (Selection(frozenset({Reason.DESTINATION_ABSENT}), "all", Glob("images/*")), (DENIED, CREATED), True),
        (Selection(older_than=2 * HOURS), (DENIED,), True),
        (Selection(older_than=3 * HOURS), (DENIED,), False),
        (Selection(newer_than=2 * HOURS), (DENIED,), True),
        (Selection(newer_than=1 * HOURS), (DENIED,), False),
        (Selection(older_than=1 * HOURS, newer_than=3 * HOURS), (DENIED,), True),
        (Selection(rule="images", older_than=1 * HOURS), (DENIED,), False),
        (Selection(mended=True), (CREATED,), True),
        (Selection(mended=True), (MALFORMED,), False),
    ],
)
def test_all_that_is_given_must_hold(selection, aspects, meant):
    assert selection.includes(letter(*aspects), NOW) is meant
