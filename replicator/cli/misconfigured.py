"""The error of every command that finds the environment not usable."""

import click

from replicator.cli.exit_codes import ExitCode


class Misconfigured(click.ClickException):
    """The environment is not usable."""

    exit_code = ExitCode.USAGE

    def format_message(self) -> str:
        return f"configuration: {self.message}"
