"""The command line: the service's engine and rules from a terminal.

`python -m replicator --help` has the commands, docs/cli.md the whole of it.
"""

import sys
import traceback
from collections.abc import Sequence
from typing import NoReturn

import click

from replicator.cli import dead_letters
from replicator.cli.command import COMPLETION_VARIABLE, EngineFactory, commands, configured_engine
from replicator.cli.exit_codes import ExitCode
from replicator.cli.interruption import StillRunning, end_at_once

commands.add_command(dead_letters.group)


def main(arguments: Sequence[str] | None = None, engine: EngineFactory = configured_engine) -> NoReturn:
    """Runs one command and exits. `engine` builds the engine it uses; `arguments` are those of the process."""
    try:
        code = commands.main(
            arguments,
            prog_name="python -m replicator",
            complete_var=COMPLETION_VARIABLE,
            standalone_mode=False,
            obj=engine,
        )
    except click.Abort as abort:
        click.echo("Interrupted; nothing is half written. The same command goes on.", err=True)
        if isinstance(abort.__cause__, StillRunning):
            end_at_once()
        code = ExitCode.INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except Exception as error:  # its text stays out: it may hold anything
        place = traceback.extract_tb(error.__traceback__)[-1]
        click.echo(f"unexpected: {type(error).__name__} in {place.filename}:{place.lineno}", err=True)
        code = ExitCode.UNEXPECTED
    sys.exit(code)
