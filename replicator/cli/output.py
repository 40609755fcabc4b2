"""Where the commands' answers and errors go."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, NoReturn

import click

from replicator.cli import exit_codes, text
from replicator.cli.exit_codes import ExitCode
from replicator.errors import ReplicationError
from replicator.model import DestinationName, SourceKey

if TYPE_CHECKING:
    from replicator.cli.documents import Document


@dataclass(frozen=True, slots=True)
class Output:
    """Answers go to standard output, as text or as one JSON document; errors that are no answer go to the other one."""

    json: bool
    quiet: bool

    def answer(self, document: Callable[[], "Document"], lines: Iterable[str]) -> None:
        if self.json:
            from replicator.cli.documents import encoded  # noqa: PLC0415

            click.echo(encoded(document()))
        elif not self.quiet:
            for line in lines:
                click.echo(text.printable(line))

    def complain(self, line: str) -> None:
        if not self.json:
            click.echo(text.printable(line), err=True)

    def note(self, line: str) -> None:
        """About the command itself, with `json` as well: it is no answer."""
        if not self.quiet:
            click.echo(text.printable(line), err=True)

    def fail(self, subject: SourceKey | DestinationName | None, error: ReplicationError) -> NoReturn:
        """The command as a whole came to nothing."""
        from replicator.cli.documents import error_document  # noqa: PLC0415

        self.answer(lambda: error_document(subject, error), ())
        self.complain(f"failed    {f'{subject}  ' if subject else ''}{text.error_text(error)}")
        finish(exit_codes.of_error(error))


def finish(code: ExitCode) -> NoReturn:
    click.get_current_context().exit(code)


def with_output(
    *, quiet: bool = True, json_help: str = "Print one JSON document.", quiet_help: str = "Print nothing but errors."
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command `--json`, perhaps `--quiet`, and what they come to as its first argument."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @wraps(command)
        def called(json: bool, quiet: bool = False, **arguments: Any) -> None:
            if json and quiet:
                raise click.UsageError("--json and --quiet exclude one another")
            command(Output(json, quiet), **arguments)

        if quiet:
            called = click.option("--quiet", "-q", is_flag=True, help=quiet_help)(called)
        return click.option("--json", is_flag=True, help=json_help)(called)

    return decorate
