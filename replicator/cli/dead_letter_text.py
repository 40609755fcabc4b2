"""What `dead-letters` prints of a message for people."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from replicator.cli.durations import in_words
from replicator.cli.text import error_text, foreseen_text, way
from replicator.dead_letters import Event, Inspection
from replicator.model import IgnoredEvent

SHOWN_OF_BODY = 200
"""Bytes of a message that is no event, from which a person may see what it is."""


def message_lines(found: Inspection, now: datetime, done: str = "") -> Iterator[str]:
    """What was `done`, or else whether the cause is mended; then each destination of each event."""
    state = done or ("mended" if found.mended else "blocked")
    yield f"{state:9} {found.letter.message_id}  {_age(found, now)} old, {_attempts(found)}"
    for event in found.events:
        yield from (f"    {line}" for line in _event_lines(event))
    if found.malformed:
        yield f"    {error_text(found.malformed)}"
        yield f"    body: {found.letter.data[:SHOWN_OF_BODY].decode(errors='backslashreplace')}"


def _event_lines(event: Event) -> Iterator[str]:
    if isinstance(event.notice, IgnoredEvent):
        yield f"{event.notice.kind}  would be ignored: {event.notice.reason}: {event.notice.reason.explanation}"
    for result in event.results:
        yield f"{way(result)}  {foreseen_text(result)}"


def _age(found: Inspection, now: datetime) -> str:
    """Clocks differ: nothing is younger than now."""
    return in_words(max(now - found.letter.published_at, timedelta()))


def _attempts(found: Inspection) -> str:
    count = found.letter.attempts
    if count is None:
        return "attempts not known"
    return f"{count} attempt{'s' if count != 1 else ''}"
