"""The commands: their arguments, what they call, and what they print where."""

import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import TYPE_CHECKING

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from replicator import __version__
from replicator.cli import exit_codes, processes, text
from replicator.cli.addresses import Address
from replicator.cli.doctor import doctor
from replicator.cli.exit_codes import ExitCode
from replicator.cli.interruption import run_interruptibly
from replicator.cli.misconfigured import Misconfigured
from replicator.cli.output import Output, finish, with_output
from replicator.cli.progress import ProgressBar
from replicator.cli.resumption import to_the_end
from replicator.errors import ReplicationError
from replicator.model import DestinationName, SourceKey
from replicator.ports import Progress

if TYPE_CHECKING:
    from replicator.engine import Engine

EngineFactory = Callable[[Progress | None], "Engine"]

COMPLETED_NAME = "replicator"
"""What shells complete: the script `bin/replicator`. They cannot complete `python -m replicator`."""

COMPLETION_VARIABLE = "_REPLICATOR_COMPLETE"
COMPLETERS: dict[str, type[ShellComplete]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}

EXIT_CODES = """\b
Exit codes:
  0    done; every destination is as the source is
  1    refused, by the rules or for good
  2    wrong arguments or configuration
  3    not in sync (status)
  4    the source object does not exist (copy)
  5    a check failed (doctor)
  70   an unexpected error
  75   a transient failure: try again
  130  interrupted"""


def configured_engine(progress: Progress | None) -> "Engine":
    """On what the environment and `.env` say."""
    from replicator import bootstrap  # noqa: PLC0415  help and completion do not wait for it
    from replicator.settings import ConfigurationError  # noqa: PLC0415

    logging.getLogger().addHandler(logging.NullHandler())  # what libraries have to say is no part of our output
    try:
        return bootstrap.command_line_engine(progress)
    except ConfigurationError as error:
        raise Misconfigured(str(error)) from None


@click.group(invoke_without_command=True, epilog=EXIT_CODES)
@click.version_option(__version__, message="replicator %(version)s")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Replicates objects from Amazon S3 to Google Cloud Storage.

    The commands use the configuration of the service: environment variables, or a .env file in the working directory.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


commands.add_command(doctor)


@commands.command(
    short_help="Say whether each bucket of the rules can be used.",
    epilog="""\b
Example:
  python -m replicator check --quiet && python -m replicator serve""",
)
@with_output()
@click.pass_obj
def check(engines: EngineFactory, output: Output) -> None:
    """Say whether each bucket of the rules can be used, with the credentials that are configured.

    Source buckets are listed; of destination buckets the permissions are tested. Nothing is written.
    """
    from replicator.cli.documents import check_document  # noqa: PLC0415

    try:
        found = engines(None).check()
    except ReplicationError as error:
        output.fail(None, error)
    output.answer(lambda: check_document(found), text.check_lines(found))
    if output.quiet:
        for line in text.check_lines({bucket: error for bucket, error in found.items() if error}):
            output.complain(line)
    finish(exit_codes.of_errors([error for error in found.values() if error]))


@commands.command()
def serve() -> None:
    """Run the service, as the container does.

    FUNCTION_TARGET, HOST, PORT and CONCURRENCY say which target, where, and for how many requests at once.
    """
    from replicator import bootstrap  # noqa: PLC0415
    from replicator.settings import ConfigurationError  # noqa: PLC0415

    try:
        target = bootstrap.configured_target()
    except ConfigurationError as error:
        raise Misconfigured(str(error)) from None
    processes.serve(target)


@commands.command(
    context_settings={"ignore_unknown_options": True, "help_option_names": []}, options_metavar="[OPTIONS]"
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="")
def dev(arguments: tuple[str, ...]) -> None:
    """Run the whole event path on this machine, without a cloud.

    Options: those of python -m replicator.dev, which --help lists.
    """
    if not processes.can_develop():
        raise click.UsageError("the stack for development is no part of this installation; it runs in a checkout")
    processes.develop(arguments)


@commands.command(
    epilog="""\b
Examples:
  python -m replicator copy s3://source-bucket/reports/2026.csv
  python -m replicator copy --dry-run 's3://source-bucket/a key with spaces'
  python -m replicator copy s3://source-bucket/a gs://replica-bucket/elsewhere/a"""
)
@click.argument("source", type=Address("s3"), metavar="S3://BUCKET/KEY")
@click.argument("destination", type=Address("gs"), metavar="[GS://BUCKET/NAME]", required=False)
@click.option("--dry-run", "-n", is_flag=True, help="Say what would happen, and write nothing.")
@with_output()
@click.pass_obj
def copy(
    engines: EngineFactory, output: Output, source: SourceKey, destination: DestinationName | None, dry_run: bool
) -> None:
    """Make each destination of one object equal to it.

    The rules say which destinations an object has. A destination that is named takes their place; some rule must lead
    from the one bucket to the other. What is equal already is left alone.
    """
    from replicator.cli.documents import copy_document  # noqa: PLC0415

    bar = None if output.json or output.quiet else _progress_bar()
    shown: AbstractContextManager[object] = bar or nullcontext()
    try:
        engine = engines(bar)
        started = perf_counter()
        with shown:
            results = to_the_end(
                lambda: run_interruptibly(
                    lambda deadline: engine.replicate(source, deadline, destination, dry_run=dry_run)
                )
            )
    except ReplicationError as error:
        output.fail(source, error)
    seconds, code = perf_counter() - started, exit_codes.of_results(results)
    lines = [(text.result_line(result, seconds), exit_codes.of_result(result)) for result in results]
    failed = [line for line, own in lines if code and own]
    output.answer(lambda: copy_document(source, results, seconds), (line for line, _ in lines if line not in failed))
    for line in failed:
        output.complain(line)
    finish(code)


@commands.command(
    short_help="Say whether an object is in sync.",
    epilog="""\b
Examples:
  python -m replicator status s3://source-bucket/reports/2026.csv
  python -m replicator status --quiet gs://replica-bucket/reports/2026.csv && echo in sync""",
)
@click.argument("address", type=Address("s3", "gs"), metavar="S3://BUCKET/KEY | GS://BUCKET/NAME")
@with_output()
@click.pass_obj
def status(engines: EngineFactory, output: Output, address: SourceKey | DestinationName) -> None:
    """Say whether an object is in sync, and which receipt its replica holds.

    Of an S3 object, all destinations that the rules give it are looked at; of a Cloud Storage object, the source that
    its receipt names. Nothing is written.
    """
    from replicator.cli.documents import source_status_document, status_document  # noqa: PLC0415

    try:
        engine = engines(None)
        if isinstance(address, DestinationName):
            found = engine.status(address)
            output.answer(lambda: status_document(found), text.status_lines(found))
            finish(ExitCode.DONE if found.in_sync else ExitCode.OUT_OF_SYNC)
        explanation = engine.explain(address)
    except ReplicationError as error:
        output.fail(address, error)
    output.answer(lambda: source_status_document(explanation), text.source_status_lines(explanation))
    if output.quiet:
        for failure in explanation.failures:
            output.complain(text.failure_line(failure))
    finish(exit_codes.of_status(explanation))


@commands.command(
    short_help="Say which rules are for an object, and why or why not.",
    epilog="""\b
Examples:
  python -m replicator explain s3://source-bucket/reports/2026.csv
  python -m replicator explain --json s3://source-bucket/reports/2026.csv""",
)
@click.argument("source", type=Address("s3"), metavar="S3://BUCKET/KEY")
@with_output(quiet=False)
@click.pass_obj
def explain(engines: EngineFactory, output: Output, source: SourceKey) -> None:
    """Say which rules are for an object, which are not and why, what would happen now, and what did.

    An object that no rule is for is not looked at. Nothing is written.
    """
    from replicator.cli.documents import explanation_document  # noqa: PLC0415

    try:
        explanation = engines(None).explain(source)
    except ReplicationError as error:
        output.fail(source, error)
    output.answer(lambda: explanation_document(explanation), text.explanation_lines(explanation))
    finish(exit_codes.of_explanation(explanation))


@commands.command(
    short_help="Print the script for a shell's completion.",
    epilog="""\b
In ~/.bashrc, with bin/ in PATH:
  eval "$(replicator completion bash)\"""",
)
@click.argument("shell", type=click.Choice(tuple(COMPLETERS)))
def completion(shell: str) -> None:
    """Print the script with which a shell completes the command `replicator`."""
    click.echo(COMPLETERS[shell](commands, {}, COMPLETED_NAME, COMPLETION_VARIABLE).source())


def _progress_bar() -> ProgressBar | None:
    return ProgressBar(sys.stderr) if sys.stderr.isatty() else None
