"""The table of how all cells ended, for docs/reliability.md."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.proof.wire.checker import Ended, Verdict
from tests.proof.wire.faults import Place
from tests.proof.wire.matrix import Cell, Row
from tests.proof.wire.world import Side

SYMBOLS = {Verdict.REPAIRED: "✓", Verdict.REDELIVERED: "↻", Verdict.WRONG: "✗"}
NO_SENSE, NOT_RUN = "", "·"
TABLES = (("S3", (Side.S3,)), ("Cloud Storage", (Side.STORAGE,)), ("The others", tuple(Side)[2:]))

Column = tuple[Side, str]


def report(ended: Sequence[Ended], every: Sequence[Cell], seconds: float) -> str:
    """`every` cell that there is, of which `ended` were run, in `seconds`."""
    lines = [_summary(ended, every, seconds), ""]
    for title, sides in TABLES:
        lines += [*_table(title, sides, ended, every), ""]
    return "\n".join([*lines, *_counts(ended), "", *_reasons(ended)])


def _summary(ended: Sequence[Ended], every: Sequence[Cell], seconds: float) -> str:
    of = "" if len(ended) == len(every) else f" of {len(every):,}"
    verdicts = Counter(one.verdict for one in ended)
    ends = (f"{verdicts[verdict]:,} {SYMBOLS[verdict]} ({verdict})" for verdict in Verdict)
    return f"{len(ended):,}{of} cells in {seconds:.0f} s: {', '.join(ends)}."


def _table(title: str, sides: Sequence[Side], ended: Sequence[Ended], every: Sequence[Cell]) -> Iterator[str]:
    columns = list(dict.fromkeys(cell.column for cell in every if cell.call.side in sides))
    verdicts: dict[tuple[Row, Column], Counter[Verdict]] = defaultdict(Counter)
    for one in ended:
        verdicts[one.cell.variant.row, one.cell.column][one.verdict] += 1
    meant = {(cell.variant.row, cell.column) for cell in every}
    yield f"| {title} | {' | '.join(name for _, name in columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for row in Row:
        shown = (_shown(verdicts[row, column], (row, column) in meant) for column in columns)
        yield f"| {row} | {' | '.join(shown)} |"


def _shown(verdicts: Counter[Verdict], meant: bool) -> str:
    if not meant:
        return NO_SENSE
    return " ".join(f"{SYMBOLS[verdict]}{verdicts[verdict]}" for verdict in Verdict if verdicts[verdict]) or NOT_RUN


def _counts(ended: Sequence[Ended]) -> Iterator[str]:
    """How many cells there are of each path, and at which call of its kind the fault is."""
    counts = Counter((one.cell.scenario.path or "none: no bytes move", one.cell.place) for one in ended)
    yield f"| path | {' | '.join(f'{place} call' for place in Place)} |"
    yield "|---" * (len(Place) + 1) + "|"
    for path in dict.fromkeys(path for path, _ in counts):
        yield f"| {path} | {' | '.join(f'{counts[path, place]:,}' for place in Place)} |"


def _reasons(ended: Sequence[Ended]) -> Iterator[str]:
    reasons = Counter(one.reason for one in ended if one.reason)
    yield "| reason of a clean failure | cells |"
    yield "|---|---|"
    for reason, count in reasons.most_common():
        yield f"| `{reason}` | {count:,} |"
