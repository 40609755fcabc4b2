"""The results as tables, for the document and for the terminal."""

from collections.abc import Iterator, Mapping, Sequence

from tests.bench.goals import MIB, Goal, Spread, cpu, goals, speed, spread
from tests.bench.network import ROUND_TRIP
from tests.bench.results import Group, LinkRates, Results, Sample, Start, pairs

GIB = 1024 * MIB
PEER = "rclone"
"""The way that the others are compared with."""

NOT_MEASURED = "not measured"
LARGE = 4 * MIB
"""Where the objects are larger than this on average, bytes are what costs; otherwise it is the objects."""

Row = Sequence[str]


def table(heads: Row, rows: Iterator[Row]) -> str:
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def goals_table(results: Results, titles: Mapping[str, str]) -> str:
    def rows() -> Iterator[Row]:
        for goal in goals():
            measured = goal.measure.of(results)
            shown = _spread(measured, goal.measure.unit) if measured else NOT_MEASURED
            yield [goal.work, goal.text, titles[goal.way], shown, _verdict(goal, measured)]

    return table(["work", "goal", "way", "measured", "goal is"], rows())


def group_table(group: Group, titles: Mapping[str, str]) -> str:
    if any(sample.round_trips is not None for taken in group.samples.values() for sample in taken) and (
        group.objects == 1 and group.bytes < LARGE
    ):
        return _round_trips(group, titles)
    by_bytes = group.bytes / group.objects > LARGE
    rate, cost = ("MiB/s", "CPU s/GiB") if by_bytes else ("objects/s", "CPU ms/object")
    compared = [f"speed, {PEER} = 1", f"CPU, {PEER} = 1"] if PEER in group.samples else []

    def rows() -> Iterator[Row]:
        for way, taken in group.samples.items():
            seconds = _of(sample.seconds for sample in taken)
            work = group.bytes / MIB if by_bytes else group.objects
            used = [sample.cpu_seconds * (GIB / group.bytes if by_bytes else 1000 / group.objects) for sample in taken]
            yield [
                titles[way],
                f"{seconds.median:.2f} ({seconds.low:.2f} to {seconds.high:.2f})",
                f"{work / seconds.median:,.0f}",
                f"{_of(used).median:.2f}",
                _memory(taken),
                *_compared(group, way),
            ]
        for way, reason in group.without.items():
            yield [titles[way], reason, *[""] * (3 + len(compared))]

    return table(["way", "seconds", rate, cost, "peak RSS, MiB", *compared], rows())


def starts_table(starts: Sequence[Start]) -> str:
    seconds, used = _of(start.seconds for start in starts), _of(start.cpu_seconds for start in starts)
    idle = _of(start.idle / MIB for start in starts)
    together = _of(start.idle_together / MIB for start in starts)
    values = [_spread(seconds, ""), _spread(used, ""), f"{idle.median:.0f} ({together.median:.0f})"]
    return table(["seconds", "CPU seconds", "idle RSS, MiB"], iter([values]))


def links_table(links: Sequence[LinkRates]) -> str:
    def row(title: str, values: Iterator[float], unit: str, digits: int) -> Row:
        return [title, _spread(_of(values), unit, digits)]

    rows = [
        row("a byte there and one back", (rates.round_trip * 1000 for rates in links), " ms", 1),
        row("one connection, from the source", (rates.down for rates in links), " MiB/s", 0),
        row("one connection, to the sink", (rates.up for rates in links), " MiB/s", 0),
        row("32 connections, through both links", (rates.through for rates in links), " MiB/s", 0),
        row("CPU of one link, per GiB", (rates.cpu for rates in links), " s", 2),
    ]
    return table(["what", "measured"], iter(rows))


def _round_trips(group: Group, titles: Mapping[str, str]) -> str:
    def rows() -> Iterator[Row]:
        for way, taken in group.samples.items():
            seconds = _of(sample.seconds for sample in taken)
            counted = [
                _of(float(value) for sample in taken if (value := getattr(sample, name)) is not None).median
                for name in ("round_trips", "requests", "connections")
            ]
            elapsed = seconds.median / ROUND_TRIP
            yield [
                titles[way],
                *[f"{value:.0f}" for value in counted],
                f"{seconds.median * 1000:.0f}",
                f"{elapsed:.1f}",
            ]

    heads = ["way", "round trips in sequence", "requests", "new connections", "ms", "ms / 50"]
    return table(heads, rows())


def _compared(group: Group, way: str) -> Row:
    if PEER not in group.samples:
        return []
    faster = spread(speed(*pair) for pair in pairs(group, way, PEER))
    cheaper = spread(cpu(*pair) for pair in pairs(group, way, PEER))
    return [_spread(faster, "") if faster else "", _spread(cheaper, "") if cheaper else ""]


def _memory(taken: Sequence[Sample]) -> str:
    largest, together = _of(sample.peak / MIB for sample in taken), _of(sample.peak_together / MIB for sample in taken)
    several = f" ({together.median:.0f})" if together.median > largest.median else ""
    return f"{largest.median:.0f}{several}"


def _verdict(goal: Goal, measured: Spread | None) -> str:
    if measured is None:
        return ""
    return "reached" if goal.reached(measured) else "**not reached**"


def _spread(values: Spread, unit: str, digits: int = 2) -> str:
    if values.low == values.high:
        return f"{_number(values.median, digits)}{unit}"
    ends = " to ".join(_number(value, digits) for value in (values.low, values.high))
    return f"{_number(values.median, digits)}{unit} ({ends})"


def _number(value: float, digits: int) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.{digits}f}"


def _of(values: Iterator[float] | Sequence[float]) -> Spread:
    found = spread(values)
    assert found is not None, "a way with figures has samples"
    return found
