"""`make bench ARGS=…`: measures, prints the tables, and writes the document."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench import ceiling, machine, places, report, results, starting, tables
from tests.bench.network import DISTANT, LOOPBACK
from tests.bench.results import LinkRates, Results, Start
from tests.bench.run import Bench
from tests.bench.servers.running import S3, servers
from tests.bench.ways.known import known_ways
from tests.bench.works import works

START = "start"
"""Among the works: how long the service takes until it is ready."""

SERVERS_ROOM = 256 * 1024**2
MIB = 1024**2


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 0 also where a goal is not reached, 1 where a way failed."""
    chosen = _parser().parse_args(arguments)
    titles = {way.name: way.title for way in known_ways().values()}
    if chosen.report:
        return _write_again(titles)
    measured = _measured(chosen)
    for group in measured.groups:
        _print(f"\n{report.heading(group)}\n\n{tables.group_table(group, titles)}")
    for title, rows in (("From start to ready", _starts(measured)), ("The links", _links(measured))):
        if rows:
            _print(f"\n{title}\n\n{rows}")
    aside = " (of the quick form, which only shows that it works)" if chosen.quick else ""
    _print(f"\nGoals{aside}\n\n{tables.goals_table(measured, titles)}")
    into = chosen.into or (None if chosen.quick else places.DOCS)
    if into is not None:
        before = results.read(into / report.RESULTS)
        report.write(before.updated(measured), into, titles)
    return int(any(reason.startswith("failed") for group in measured.groups for reason in group.without.values()))


def _measured(chosen: argparse.Namespace) -> Results:
    selected = [work for name, work in works(quick=chosen.quick).items() if name in chosen.works]
    ways = {name: way for name, way in known_ways().items() if name in chosen.ways}
    repeats = chosen.repeats or (1 if chosen.quick else 5)
    room = SERVERS_ROOM + sum(work.bytes for work in selected)
    starts: list[Start] = []
    links: list[LinkRates] = []
    clock = time.monotonic()

    def say(line: str) -> None:
        sys.stderr.write(f"[{time.monotonic() - clock:6.0f} s] {line}\n")

    with places.working_folder(room) as folder, servers(S3(chosen.s3), folder) as sides:
        groups = Bench(sides, folder, ways, repeats, not chosen.quick, say).measure(selected, chosen.networks)
        if START in chosen.works:
            starts = [starting.started(sides, folder) for _ in range(repeats)]
        if DISTANT in chosen.networks:
            say("the links")
            amount = (1 if chosen.quick else 64) * MIB
            links = [ceiling.measured(folder, amount) for _ in range(repeats)]
    return Results(machine.facts((*ways, chosen.s3)), tuple(groups), tuple(starts), tuple(links))


def _write_again(titles: dict[str, str]) -> int:
    file = places.DOCS / report.RESULTS
    if not file.exists():
        _print(f"{file.relative_to(places.ROOT)}: there is nothing yet; run the bench first")
        return 1
    report.write(results.read(file), places.DOCS, titles)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures the project's ways and others'.")

    def listed(name: str, known: Sequence[str], what: str) -> None:
        def checked(text: str) -> list[str]:
            if unknown := set(text.split(",")) - set(known):
                raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
            return text.split(",")

        parser.add_argument(
            f"--{name}", type=checked, default=list(known), metavar="A,B", help=f"{what}: {', '.join(known)}"
        )

    listed("works", [*works(quick=False), START], "what is measured")
    listed("networks", [LOOPBACK, DISTANT], "where")
    listed("ways", list(known_ways()), "who")
    parser.add_argument("--repeats", type=int, metavar="N", help="rounds that count (5; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="small objects, one round, and no document")
    parser.add_argument("--s3", choices=[s3.value for s3 in S3], default=S3.SEAWEED.value, help="the S3 server")
    parser.add_argument("--into", type=Path, metavar="FOLDER", help="where the document goes (docs)")
    parser.add_argument("--report", action="store_true", help="make the document again from the last results")
    return parser


def _starts(measured: Results) -> str:
    return tables.starts_table(measured.starts) if measured.starts else ""


def _links(measured: Results) -> str:
    return tables.links_table(measured.links) if measured.links else ""


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    # What was started is ended in order, also when somebody ends this.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    sys.exit(main())
