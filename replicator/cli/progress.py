"""A bar for copies that take long."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Self, TextIO

from replicator.model import SourceObject

PATIENCE = 0.5
"""Seconds that a copy may take before it is shown."""

INTERVAL = 0.1
"""Seconds between two drawings."""

CELLS = 20
CLEAR_LINE = "\r\x1b[K"
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


class Copy:
    """One copy under way: how many bytes have been read, of how many, and since when."""

    def __init__(self, size: int, started: float) -> None:
        self.size, self.started, self.position = size, started, 0

    def at(self, position: int) -> None:
        """Called for each chunk, in the thread that copies: it only remembers."""
        self.position = position


class ProgressBar:
    """The port `Progress`, drawn as one line for all copies of a command, on a terminal.

    A context manager: leaving it leaves the line empty. It has a thread of its own, so that the bar moves, and tells
    the truth, also while nothing arrives.
    """

    def __init__(self, terminal: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._terminal, self._clock = terminal, clock
        self._copies: list[Copy] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._drawn = False
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._draw("")

    @contextmanager
    def copying(self, source: SourceObject) -> Iterator[Callable[[int], None]]:
        copy = Copy(source.size, self._clock())
        with self._lock:
            self._copies.append(copy)
        try:
            yield copy.at
        finally:
            with self._lock:
                self._copies.remove(copy)

    def _run(self) -> None:
        while not self._ended.wait(INTERVAL):
            self.redraw()

    def redraw(self) -> None:
        """Draws the copies that take long, if there are any."""
        now = self._clock()
        with self._lock:
            copies = [copy for copy in self._copies if now - copy.started >= PATIENCE]
        self._draw(line(copies, now, shutil.get_terminal_size().columns) if copies else "")

    def _draw(self, text: str) -> None:
        if text or self._drawn:
            # A terminal that is gone is no reason to give up a copy.
            with suppress(OSError, ValueError):
                self._terminal.write(CLEAR_LINE + text)
                self._terminal.flush()
        self._drawn = bool(text)


def line(copies: Sequence[Copy], now: float, columns: int) -> str:
    """All copies as one: bytes, share, rate and the time that is left at this rate. Pure."""
    done, size = sum(copy.position for copy in copies), sum(copy.size for copy in copies)
    share = min(1.0, done / size) if size else 1.0
    rate = done / max(now - min(copy.started for copy in copies), 1e-9)
    filled = int(share * CELLS)
    parts = [
        f"{amount(done)} of {amount(size)}",
        f"[{'#' * filled}{'-' * (CELLS - filled)}]",
        f"{int(share * 100)} %",
        f"{amount(rate)}/s",
        f"{duration((size - done) / rate)} left" if rate else "stalled",
    ]
    if len(copies) > 1:
        parts.insert(0, f"{len(copies)} copies:")
    return " ".join(parts)[: columns - 1]


def amount(count: float) -> str:
    """`count` bytes, in the unit that suits it."""
    power = 0
    while count >= 1024 and power < len(UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.1f} {UNITS[power]}" if power else f"{count:.0f} {UNITS[0]}"


def duration(seconds: float) -> str:
    """As a clock shows it: 0:07, 1:02:03."""
    minutes, second = divmod(max(0, round(seconds)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
