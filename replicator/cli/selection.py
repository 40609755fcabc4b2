"""The options that say which dead letters are meant."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from replicator.cli.durations import UNITS
from replicator.reasons import Reason
from replicator.rules import Glob, GlobError

if TYPE_CHECKING:
    from replicator.dead_letters import Selection

LIMIT = 1000
"""Messages that one command looks at, where nobody says otherwise. What is replayed without being mended may come back
while that is still going on."""


class Duration(click.ParamType[timedelta]):
    """A number with its unit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        found = re.fullmatch(r"(\d{1,6})([a-z])", str(value))
        if not found or found[2] not in UNITS:
            self.fail("expected a number and a unit, such as 30m, 2h or 7d", param, ctx)
        return int(found[1]) * UNITS[found[2]]


class KeyGlob(click.ParamType[Glob]):
    """A glob as in the rules."""

    name = "glob"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Glob:
        try:
            return Glob(str(value))
        except GlobError as error:
            self.fail(str(error), param, ctx)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages, of how many that are looked at."""

    selection: "Selection"
    limit: int


OPTIONS = (
    click.option(
        "--reason",
        "codes",
        type=click.Choice([reason.value for reason in Reason]),
        metavar="CODE",
        multiple=True,
        help="What stands in its way now, or what it would come to. May be repeated.",
    ),
    click.option("--rule", metavar="ID", help="The rule that its object is replicated by."),
    click.option("--key", type=KeyGlob(), metavar="GLOB", help="The object's key, as a rule's glob."),
    click.option("--older-than", type=Duration(), metavar="AGE", help="Published longer ago than this: 30m, 2h, 7d."),
    click.option("--newer-than", type=Duration(), metavar="AGE", help="Published no longer ago than this."),
    click.option("--mended", is_flag=True, help="Nothing stands in its way any more."),
)


def with_selection(*, all_by_default: bool = False) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options that select, `--limit`, perhaps `--all`, and what they come to as `wanted`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(
            *arguments: Any,
            codes: tuple[str, ...],
            rule: str | None,
            key: Glob | None,
            older_than: timedelta | None,
            newer_than: timedelta | None,
            mended: bool,
            limit: int,
            everything: bool = all_by_default,
            **others: Any,
        ) -> None:
            from replicator.dead_letters import Selection  # noqa: PLC0415  help does not wait for it

            selection = Selection(
                frozenset(reason for reason in Reason if reason in codes), rule, key, older_than, newer_than, mended
            )
            if not all_by_default and everything is (selection != Selection()):
                raise click.UsageError("say which messages are meant, or --all, and not both")
            command(*arguments, wanted=Wanted(selection, limit), **others)

        if not all_by_default:
            called = click.option("--all", "everything", is_flag=True, help="All of them.")(called)
        for option in reversed(OPTIONS):
            called = option(called)
        return click.option(
            "--limit",
            type=click.IntRange(min=1),
            default=LIMIT,
            show_default=True,
            metavar="N",
            help="Look at so many messages at most.",
        )(called)

    return decorate
