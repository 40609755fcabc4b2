"""`doctor`: what it is told, what it prints, and how it ends."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click

from replicator.cli.exit_codes import ExitCode
from replicator.cli.interruption import other_signals_as_ctrl_c
from replicator.cli.misconfigured import Misconfigured
from replicator.cli.output import Output, finish, with_output
from replicator.cli.text import printable
from replicator.doctor import Area, Finding, Status, worst
from replicator.doctor.regions import is_region

if TYPE_CHECKING:
    from replicator.bootstrap.doctor import Visit
    from replicator.cli.documents import Document

COLOURS = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILED: "red"}

Examiner = Callable[["Visit"], Sequence[Finding]]


def configured_doctor(visit: "Visit") -> Sequence[Finding]:
    """The findings on what the environment and `.env` say."""
    from replicator.bootstrap.doctor import Doctor  # noqa: PLC0415  help and completion do not wait for it
    from replicator.settings import ConfigurationError  # noqa: PLC0415

    try:
        return Doctor(visit).examine()
    except ConfigurationError as error:
        raise Misconfigured(str(error)) from None


def a_region(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if given is not None and not is_region(given):
        raise click.BadParameter("expected a region of Google's, such as europe-west1")
    return given


def an_origin(_ctx: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if given is not None and not re.fullmatch(r"https?://[^/?#\s]+/?", given):
        raise click.BadParameter("expected a URL without a path, such as https://replicator-abc.run.app")
    return given


@click.command(
    short_help="Check the deployment from end to end, and say what mends it.",
    epilog="""\b
Examples:
  python -m replicator doctor --impersonate replicator@my-project.iam.gserviceaccount.com --region europe-west1
  python -m replicator doctor --canary --canary-profile my-writer
  python -m replicator doctor --json --strict > findings.json""",
)
@click.option("--impersonate", metavar="ACCOUNT", help="Be this service account towards Google: the service's own.")
@click.option(
    "--region", metavar="REGION", callback=a_region, help="Where the service runs, to see how far away the buckets are."
)
@click.option(
    "--service-url", metavar="URL", callback=an_origin, help="Where the service is, to see whether it is pushed to."
)
@click.option("--subscription", metavar="NAME", help="The push subscription; s3-events-push unless given.")
@click.option("--canary", is_flag=True, help="Send a small object through the whole path, and take it away again.")
@click.option("--canary-profile", metavar="PROFILE", help="The AWS profile that may write the source buckets.")
@click.option(
    "--canary-seconds", type=click.FloatRange(min=0, min_open=True), help="How long its replica may take; 180."
)
@click.option("--strict", is_flag=True, help="Warnings count as failures.")
@with_output(quiet_help="Print only what is not ok, and the counts.")
def doctor(output: Output, strict: bool, **told: Any) -> None:
    """Check the deployment from end to end, and say what mends it.

    Each check is ok, a warning or failed; docs/doctor.md lists them. Nothing is written but the canary. Run it as the
    service (--impersonate): permissions are those of whoever runs it.
    """
    from replicator.bootstrap.doctor import Visit  # noqa: PLC0415

    if told["canary_profile"] and not told["canary"]:
        raise click.UsageError("--canary-profile is only for --canary")
    with other_signals_as_ctrl_c():  # a canary does not stay
        findings = configured_doctor(Visit(**{name: value for name, value in told.items() if value is not None}))
    status = worst(findings)
    if output.json:
        output.answer(lambda: document(findings), ())
    else:
        show(findings, quiet=output.quiet)
    finish(exit_code(status, strict=strict))


def exit_code(status: Status, *, strict: bool) -> ExitCode:
    unsound = status is Status.FAILED or (strict and status is Status.WARNING)
    return ExitCode.UNSOUND if unsound else ExitCode.DONE


def document(findings: Sequence[Finding]) -> "Document":
    return {
        "status": str(worst(findings)),
        "findings": [
            {
                "check": str(finding.check),
                "area": str(finding.check.area),
                "status": str(finding.status),
                "subject": finding.subject,
                "detail": finding.detail,
                "mend": finding.mend,
            }
            for finding in findings
        ],
    }


def show(findings: Sequence[Finding], *, quiet: bool) -> None:
    """By area, in colour on a terminal; the mending commands as they are to be typed. `quiet` leaves out what is ok."""
    areas = list(Area)
    shown = [finding for finding in findings if not quiet or finding.status is not Status.OK]
    by_area = sorted(shown, key=lambda finding: areas.index(finding.check.area))
    for area, found in groupby(by_area, key=lambda finding: finding.check.area):
        click.echo(area.capitalize())
        for finding in found:
            status = click.style(f"{finding.status:8}", fg=COLOURS[finding.status])
            click.echo(f"  {status} {finding.check}  {printable(finding.subject)}")
            click.echo(f"           {printable(finding.detail)}")
            if finding.mend:
                click.echo(f"           mend: {printable(finding.mend)}")
    counts = [f"{sum(one.status is status for one in findings)} {status}" for status in Status]
    click.echo(", ".join(counts))
