"""docs/benchmarks.md, and the plots beside it, from the results alone."""

from collections.abc import Mapping
from pathlib import Path

from tests.bench.network import TITLES
from tests.bench.plots import plot
from tests.bench.results import Group, Results, to_json
from tests.bench.tables import goals_table, group_table, links_table, starts_table

DOCUMENT = "benchmarks.md"
FOLDER = "benchmarks"
RESULTS = f"{FOLDER}/results.json"
NOTES = f"{FOLDER}/notes.md"
"""Written by people: where the time goes. The document quotes it, and is otherwise made from the results."""

INTRODUCTION = """\
# Benchmarks

Made by `make bench` from [what it measured](benchmarks/results.json); the goals are those that the byte path was built
for. All figures are of one machine, which the ways share with the servers: the ratios say more than the seconds.

How it is measured:

- S3 is SeaweedFS with its files in memory, Cloud Storage the embedded server of `make run`, each in processes of its
  own. Objects above 8 MiB were uploaded in parts of 8 MiB; each has a CRC64NVME over the whole object.
- In each round every way does the work once, with fresh processes; the next round begins with the next way. A first
  round is not counted. Each way is warm: before the clock starts it copies one small object. rclone is therefore run
  as a daemon; `gcloud` is a command, whose start counts.
- After each copy the name, size and CRC32C of every object in the destination are compared with the source's. A way
  with one difference gets no figure.
- Seconds are medians, with the least and the most. Ratios are taken round by round, then their median. CPU time and
  peak RSS are the way's own with all its processes, without servers and callers. RSS is that of the process that had
  most, and in brackets, where there are several, the sum over all, which counts shared pages more than once.
- At 50 ms a proxy stands before each side. It delivers every byte 25 ms after it was sent, with at most 4 MiB under
  way in each direction of a connection, and a handshake takes a round trip. It imitates neither loss nor slow start,
  which favours ways with few connections."""


def write(results: Results, docs: Path, titles: Mapping[str, str]) -> None:
    """The document, the plots and the results themselves."""
    (docs / FOLDER).mkdir(parents=True, exist_ok=True)
    notes = docs / NOTES
    (docs / RESULTS).write_text(to_json(results))
    for group in results.groups:
        (docs / FOLDER / plot_name(group)).write_text(plot(group, heading(group), titles))
    (docs / DOCUMENT).write_text(document(results, titles, notes.read_text() if notes.exists() else ""))


def document(results: Results, titles: Mapping[str, str], notes: str = "") -> str:
    parts = [INTRODUCTION, "## Goals", goals_table(results, titles)]
    if notes:
        parts.append(notes.strip())
    for group in results.groups:
        parts += [f"## {heading(group)}", _about(group), group_table(group, titles)]
        parts.append(f"![{heading(group)}](benchmarks/{plot_name(group)})")
    if results.starts:
        parts += [
            "## From start to ready",
            f"The service under gunicorn, {len(results.starts)} starts, until `/ready` "
            "has built the clients and asked both sides.",
            starts_table(results.starts),
        ]
    if results.links:
        parts += [
            "## The links",
            "What the 50 ms links do by themselves, with servers and a client that do nothing "
            "else. A window per round trip is 80 MiB/s.",
            links_table(results.links),
        ]
    machine = "\n".join(f"- {name}: {fact}" for name, fact in results.facts.items())
    parts += ["## The machine", machine]
    return "\n\n".join(parts) + "\n"


def heading(group: Group) -> str:
    return f"{group.title[0].upper()}{group.title[1:]}, {TITLES[group.network]}"


def plot_name(group: Group) -> str:
    return f"{group.work}-{group.network}.svg"


def _about(group: Group) -> str:
    rounds = max((len(taken) for taken in group.samples.values()), default=0)
    return f"{group.at_once} at once, {rounds} rounds, {group.measured_on}."
