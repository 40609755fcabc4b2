"""The bar shows copies that take long, all as one."""

import io
from pathlib import Path

import pytest

from replicator.cli.progress import CLEAR_LINE, Copy, ProgressBar, amount, duration, line
from replicator.model import SourceKey, SourceObject
from tests.fakes import EPOCH

MIB = 1024**2


def source(size: int) -> SourceObject:
    return SourceObject(SourceKey("source", "k"), "etag", None, EPOCH, size)


def copy(position: int, size: int, started: float = 0.0) -> Copy:
    made = Copy(size, started)
    made.at(position)
    return made


def test_a_line_has_bytes_share_rate_and_the_time_that_is_left():
    assert line([copy(25 * MIB, 100 * MIB)], 5.0, 200) == (
        "25.0 MiB of 100.0 MiB [#####---------------] 25 % 5.0 MiB/s 0:15 left"
    )


def test_several_copies_are_one_line():
    shown = line([copy(10, 100), copy(90, 100, 1.0)], 10.0, 200)
    assert shown == "2 copies: 100 bytes of 200 bytes [##########----------] 50 % 10 bytes/s 0:10 left"


def test_a_copy_that_has_not_begun_to_move_has_no_rate():
    assert line([copy(0, 100)], 10.0, 200).endswith("0 % 0 bytes/s stalled")


def test_a_position_that_falls_is_shown_as_it_is():
    made = copy(90, 100)
    made.at(30)
    assert line([made], 1.0, 200).startswith("30 bytes of 100 bytes [######----")


@pytest.mark.parametrize(("position", "size"), [(0, 0), (100, 100), (101, 100)])
def test_a_line_is_never_beyond_the_end(position, size):
    assert "[####################] 100 %" in line([copy(position, size)], 1.0, 200)


def test_a_line_fits_the_terminal():
    assert len(line([copy(25 * MIB, 100 * MIB)], 5.0, 40)) == 39


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (5 * 1024**4, "5.0 TiB"), (1024**5, "1024.0 TiB")],
)
def test_amounts(count, shown):
    assert amount(count) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0:00"), (7.4, "0:07"), (59.9, "1:00"), (3599, "59:59"), (3723, "1:02:03")]
)
def test_durations(seconds, shown):
    assert duration(seconds) == shown


class Terminal(io.StringIO):
    def drawn(self) -> list[str]:
        return self.getvalue().split(CLEAR_LINE)[1:]


def test_a_copy_is_shown_when_it_takes_long_and_its_line_is_emptied_when_it_ends():
    now, terminal = [0.0], Terminal()
    bar = ProgressBar(terminal, lambda: now[0])
    with bar.copying(source(100)) as at:
        at(50)
        now[0] = 0.4
        bar.redraw()
        assert terminal.drawn() == []
        now[0] = 0.5
        bar.redraw()
        assert terminal.drawn()[0].startswith("50 bytes of 100 bytes")
    bar.redraw()
    bar.redraw()
    assert terminal.drawn()[1:] == [""]


def test_the_bar_draws_by_itself_and_leaves_an_empty_line():
    terminal = Terminal()
    bar = ProgressBar(terminal, lambda: 0.0)
    drawn = _Awaited(terminal)
    bar._terminal = drawn
    with bar, bar.copying(source(100)):
        bar._clock = lambda: 1.0
        assert drawn.wait()
    assert terminal.drawn()[-1] == ""


def test_a_copy_that_fails_is_shown_no_more():
    bar = ProgressBar(Terminal(), lambda: 0.0)
    with pytest.raises(ZeroDivisionError), bar.copying(source(100)):
        _ = 1 / 0
    assert bar._copies == []


def test_a_terminal_that_is_gone_does_not_end_the_copy():
    with Path("/dev/null").open("w") as closed:
        pass
    bar = ProgressBar(closed, lambda: 0.0)
    with bar.copying(source(1)):
        bar._clock = lambda: 1.0
        bar.redraw()
    assert bar._copies == []


class _Awaited:
    """Says when something was written."""

    def __init__(self, terminal) -> None:
        from threading import Event

        self._terminal, self._written = terminal, Event()

    def write(self, text: str) -> None:
        self._terminal.write(text)

    def flush(self) -> None:
        self._written.set()

    def wait(self) -> bool:
        return self._written.wait(30)
