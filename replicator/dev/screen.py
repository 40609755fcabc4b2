"""What the person at the terminal sees: where everything runs, and one line for each outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

MIN_SOURCE_WIDTH = 20
PIPED_SOURCE_WIDTH = 34


@dataclass(frozen=True, slots=True)
class Column:
    """On a narrow terminal, columns are left out, those with the highest `rank` first."""

    title: str
    width: int
    rank: int = 0


COLUMNS = (
    Column("size", 8),
    Column("result", 16),
    Column("reason", 18),
    Column("path", 6, rank=2),
    Column("checked", 9, rank=1),
    Column("bytes", 8, rank=3),
    Column("lag", 6),
    Column("rule", 12, rank=4),
)

STYLES = {
    "failed": "bold red",
    "handed_over": "cyan",
    "ignored": "dim",
    "unchanged": "dim",
    "kept": "yellow",
    "deleted": "yellow",
}


class Screen:
    """Prints rows as they come, for a terminal as wide as it is, or whole and plain where the output is piped."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = Lock()
        self._has_head = False
        self._columns, self._source_width = _layout(console.width if console.is_terminal else None)

    def say(self, text: str = "", style: str = "") -> None:
        """A line of its own, between the rows."""
        with self._lock:
            self._print(Text(text, style))

    def outcome(self, fields: Mapping[str, Any], size: int | None) -> None:
        """A row for one of the service's lines. `size` is the source object's, if there is one.

        `elsewhere` among the fields is a destination in another bucket than the usual one: the row names the bucket.
        """
        result = str(fields["result"])
        cells = {
            "size": _size(size),
            "result": result,
            "reason": str(fields.get("reason", "-")),
            "path": str(fields.get("path", "-")),
            "checked": str(fields.get("checked", "-")),
            "bytes": _size(fields.get("bytes")),
            "lag": f"{lag:.1f} s" if (lag := fields.get("lag_seconds")) is not None else "-",
            "rule": str(fields.get("rule", "-")),
        }
        source = str(fields.get("source") or fields.get("event") or fields.get("door") or "-")
        with self._lock:
            if not self._has_head:
                self._has_head = True
                self._print(self._line("source", {column.title: column.title for column in COLUMNS}, "bold", "bold"))
            row = self._line(source, cells, "", STYLES.get(result, "green"))
            if elsewhere := str(fields.get("elsewhere", "")):
                row.append(f"  → gs://{_printable(elsewhere.removeprefix('gs://').partition('/')[0])}", "dim")
            self._print(row.append(f"  {_printable(_detail(fields))}"))

    def _line(self, source: str, cells: Mapping[str, str], style: str, result_style: str) -> Text:
        line = Text(style=style)
        line.append(_fit(_printable(source), self._source_width, crop=self._console.is_terminal))
        for column in self._columns:
            line.append("  ")
            cell = _fit(_printable(cells[column.title]), column.width, crop=False)
            line.append(cell, result_style if column.title == "result" else None)
        return line

    def _print(self, text: Text) -> None:
        text.rstrip()
        self._console.print(text, soft_wrap=True)


def _layout(width: int | None) -> tuple[tuple[Column, ...], int]:
    """The columns that fit beside the source, and the source's width; all of them where the width has no end."""
    if width is None:
        return COLUMNS, PIPED_SOURCE_WIDTH
    columns = list(COLUMNS)
    while (rest := width - sum(column.width + 2 for column in columns)) < MIN_SOURCE_WIDTH:
        least = max(columns, key=lambda column: column.rank)
        if not least.rank:
            break
        columns.remove(least)
    return tuple(columns), max(rest, MIN_SOURCE_WIDTH)


def _detail(fields: Mapping[str, Any]) -> str:
    """What was wrong, or how far an unfinished copy got."""
    if (copied := fields.get("copied")) is not None:
        return f"{_size(copied)} of {_size(fields.get('size'))}"
    return str(fields.get("detail", ""))


def _fit(text: str, width: int, *, crop: bool) -> str:
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return f"{set_cell_size(text, width - 1).rstrip()}…" if crop else text


def _printable(text: str) -> str:
    """A key may hold anything, control sequences for the terminal included."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _size(size: int | None) -> str:
    if size is None:
        return "-"
    if size < 1024:
        return f"{size} B"
    if size < 1024**2:
        return f"{size / 1024:.1f} KiB"
    return f"{size / 1024**2:.1f} MiB"
