"""The proof's two forms: short ones as a part of the whole suite, long ones with `--long`; and what they report."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
REPORT = "proof"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("proof")
    group.addoption("--long", action="store_true", help="the long forms, as `make proof` runs them")
    group.addoption("--write", action="store_true", help="write what is reported into docs/reliability.md")


@dataclass(frozen=True, slots=True)
class Proof:
    """How much is asked for, and where figures go.

    `report` takes the name of a block in docs/reliability.md and what belongs there, as Markdown. It is printed at the
    end of the run, and with `--write` put into the document.
    """

    long: bool
    report: Callable[[str, str], None]


@pytest.fixture
def proof(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Proof:
    return Proof(
        bool(request.config.getoption("--long", default=False)),
        lambda name, text: record_property(REPORT, [name, text.strip()]),
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reported = dict(sorted(_reported(terminalreporter)))
    for name, text in reported.items():
        terminalreporter.section(name)
        terminalreporter.write_line(text)
    if config.getoption("--write", default=False):
        DOCUMENT.write_text(with_blocks(DOCUMENT.read_text(), reported))


def _reported(terminalreporter: pytest.TerminalReporter) -> Iterator[tuple[str, str]]:
    for outcome in ("passed", "failed"):
        for ended in terminalreporter.stats.get(outcome, ()):
            for kind, value in ended.user_properties:
                if kind == REPORT:
                    yield value[0], value[1]


def with_blocks(document: str, blocks: dict[str, str]) -> str:
    """The document with each named block's content replaced. Raises `KeyError` for one that it does not have."""
    for name, text in blocks.items():
        block = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.DOTALL)
        if not block.search(document):
            raise KeyError(name)
        document = block.sub(lambda found, text=text: f"{found[1]}\n{text}\n\n{found[2]}", document)  # type: ignore[misc]
    return document
