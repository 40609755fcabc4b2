"""The commands about dead letters: see them, publish them again, throw them away."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import IO, TYPE_CHECKING

import click

from replicator.cli.command import EngineFactory
from replicator.cli.exit_codes import ExitCode
from replicator.cli.interruption import other_signals_as_ctrl_c, run_interruptibly
from replicator.cli.misconfigured import Misconfigured
from replicator.cli.output import Output, finish, with_output
from replicator.cli.selection import Wanted, with_selection
from replicator.errors import ReplicationError
from replicator.ports import DeadLetters, Publisher

if TYPE_CHECKING:
    from replicator.cli.documents import Document
    from replicator.dead_letters import Hold, Inspection
    from replicator.engine import Engine

AT_ONCE = 100
"""Messages that are asked for together; so many bodies are in memory."""

JSON_HELP = "Print a JSON document for each message, with all of it."

EXIT_CODES = """\b
Exit codes:
  0    done, also where there was nothing to do
  1    refused by Pub/Sub for good, or discarding was not confirmed
  2    wrong arguments or configuration
  70   an unexpected error
  75   a transient failure: try again
  130  interrupted

However a command ends: what is neither replayed nor discarded stays."""


def configured_queue() -> DeadLetters:
    """The dead letters of the subscription that the environment names."""
    with _naming_the_variable():
        from replicator import bootstrap  # noqa: PLC0415  help and completion do not wait for it

        return bootstrap.dead_letters()


def configured_publisher() -> Publisher:
    """To the topic of the events, which the environment names."""
    with _naming_the_variable():
        from replicator import bootstrap  # noqa: PLC0415

        return bootstrap.replaying_publisher()


@contextmanager
def _naming_the_variable() -> Iterator[None]:
    from replicator.settings import ConfigurationError  # noqa: PLC0415

    try:
        yield
    except ConfigurationError as error:
        raise Misconfigured(str(error)) from None


@dataclass(slots=True)
class Search:
    """One look through the subscription: gives the messages that are wanted, and counts."""

    hold: "Hold"
    engine: "Engine"
    wanted: Wanted
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    looked_at: int = 0
    found: int = 0

    def __iter__(self) -> Iterator["Inspection"]:
        for inspection in self._inspections():
            if self.wanted.selection.includes(inspection, self.now):
                self.found += 1
                yield inspection

    def _inspections(self) -> Iterator["Inspection"]:
        from replicator.dead_letters import inspect_all  # noqa: PLC0415

        while left := self.wanted.limit - self.looked_at:
            letters = self.hold.pull(min(AT_ONCE, left))
            if not letters:
                return
            self.looked_at += len(letters)
            yield from run_interruptibly(partial(inspect_all, letters, self.engine))


@contextmanager
def searching(engines: EngineFactory, output: Output, wanted: Wanted, done: str) -> Iterator[Search]:
    """Ends the command if that fails; gives back what was not settled, and says how many messages there were."""
    from replicator.dead_letters import Hold  # noqa: PLC0415

    try:
        engine = engines(None)
        rule = wanted.selection.rule
        if rule is not None and rule not in {known.id for known in engine.rules.rules}:
            raise click.UsageError(f"no rule has the id {rule!r}")
        with other_signals_as_ctrl_c(), Hold(configured_queue()) as hold:
            search = Search(hold, engine, wanted)
            yield search
    except ReplicationError as error:
        output.fail(None, error)
    more = " There may be more: --limit." if search.looked_at >= wanted.limit else ""
    output.note(f"{_count(search.looked_at)} looked at, {search.found} {done}.{more}")


@click.group("dead-letters", short_help="See, replay or discard what Pub/Sub gave up.", epilog=EXIT_CODES)
def group() -> None:
    """See the messages whose delivery Pub/Sub gave up, publish them again, or throw them away.

    DEAD_LETTER_SUBSCRIPTION is where they are, PUBSUB_TOPIC where they are published again. What stands in a message's
    way is what the service would meet if it were delivered now, with the identities that you have.
    """


@group.command(
    "list",
    short_help="Say what stands in the way of each message now.",
    epilog="""\b
Examples:
  python -m replicator dead-letters list
  python -m replicator dead-letters list --reason source_access_denied --key 'reports/**'
  python -m replicator dead-letters list --json | jq .reasons""",
)
@with_output(quiet=False, json_help=JSON_HELP)
@with_selection(all_by_default=True)
@click.pass_obj
def list_(engines: EngineFactory, output: Output, wanted: Wanted) -> None:
    """Say what stands in the way of each message now, how old it is and how often it was delivered.

    All of them stay where they are; while they are looked through nobody else can have them.
    """
    from replicator.cli.dead_letter_text import message_lines  # noqa: PLC0415

    with searching(engines, output, wanted, "listed") as search:
        for found in search:
            output.answer(partial(_document, found, search.now), message_lines(found, search.now))


@group.command(
    short_help="Publish messages again.",
    epilog="""\b
Examples:
  python -m replicator dead-letters replay --mended
  python -m replicator dead-letters replay --dry-run --rule reports --older-than 2h
  python -m replicator dead-letters replay --all --limit 100000""",
)
@click.option("--dry-run", "-n", is_flag=True, help="Say which messages are meant, and publish nothing.")
@with_output(json_help=JSON_HELP)
@with_selection()
@click.pass_obj
def replay(engines: EngineFactory, output: Output, wanted: Wanted, dry_run: bool) -> None:
    """Publish messages again, as they were, to the topic of the events.

    Each is removed from the dead letters once Pub/Sub has confirmed the new one: between the two it is there twice,
    never not at all. What is not mended comes back.
    """
    from replicator.cli.dead_letter_text import message_lines  # noqa: PLC0415
    from replicator.dead_letters import renewed_attributes  # noqa: PLC0415

    word = "replayed (dry run)" if dry_run else "replayed"
    facts: dict[str, object] = {"dry_run": True} if dry_run else {}
    with searching(engines, output, wanted, word) as search:
        publisher = None if dry_run else configured_publisher()
        for found in search:
            if publisher:
                facts = {"next_message_id": publisher.publish(found.letter.data, renewed_attributes(found.letter))}
                search.hold.acknowledge([found.letter.message_id])
            document = partial(_document, found, search.now, result="replayed", **facts)
            output.answer(document, message_lines(found, search.now, word))


@group.command(
    short_help="Throw messages away.",
    epilog="""\b
Examples:
  python -m replicator dead-letters discard --reason event_malformed --to malformed.jsonl
  python -m replicator dead-letters discard --yes --older-than 14d""",
)
@click.option("--dry-run", "-n", is_flag=True, help="Say which messages are meant, and discard nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--to", "file", type=click.File("a", "utf-8"), metavar="FILE", help="First add all of them to this file.")
@with_output(json_help=JSON_HELP)
@with_selection()
@click.pass_obj
def discard(
    engines: EngineFactory, output: Output, wanted: Wanted, dry_run: bool, yes: bool, file: IO[str] | None
) -> None:
    """Throw messages away, for good, after they were shown and you said yes.

    The object of a message that is discarded is replicated with its next event, or by `copy`.
    """
    from replicator.cli.dead_letter_text import message_lines  # noqa: PLC0415

    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError("there is no terminal to ask on: --yes")
    shown: list[str] = []
    with searching(engines, output, wanted, "discarded (dry run)" if dry_run else "discarded") as search:
        for found in search:
            output.answer(partial(_document, found, search.now), message_lines(found, search.now))
            if file and not dry_run:
                from replicator.cli.documents import encoded  # noqa: PLC0415

                click.echo(encoded(_document(found, search.now)), file)
            shown.append(found.letter.message_id)
        if shown and not dry_run:
            if not yes and not click.confirm(f"Discard {_count(len(shown))} for good?", err=True):
                output.note("Nothing was discarded.")
                finish(ExitCode.REFUSED)
            search.hold.acknowledge(shown)


def _document(found: "Inspection", now: datetime, **done: object) -> "Document":
    from replicator.cli.dead_letter_documents import message_document  # noqa: PLC0415  only who wants it waits for it

    return message_document(found, now, **done)


def _count(messages: int) -> str:
    return f"{messages} message{'s' if messages != 1 else ''}"
