"""The lines as Cloud Logging would read them."""

import json
import logging
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import pytest

from replicator.telemetry import configure, record_with

LOGGERS = ("", "replicator", "google")


class Lines:
    """What was logged since the last look: each line is a JSON object."""

    def __init__(self) -> None:
        self._stream = StringIO()
        self.configure("INFO")

    def configure(self, level: str, project: str | None = "a-project") -> None:
        with redirect_stdout(self._stream):
            configure(level, project)

    def text(self) -> str:
        printed = self._stream.getvalue()
        self._stream.seek(0)
        self._stream.truncate()
        return printed

    def __call__(self) -> list[dict[str, Any]]:
        printed = self.text()
        assert printed.endswith("\n") or not printed
        return [_said(json.loads(line)) for line in printed.split("\n")[:-1]]


def _said(line: dict[str, Any]) -> dict[str, Any]:
    """Without the special fields that Google's handler prints although they are empty, and the logger's name."""
    if not line["logging.googleapis.com/trace"]:
        del line["logging.googleapis.com/trace_sampled"]
    assert line.pop("httpRequest") == {}
    assert set(line.pop("logging.googleapis.com/labels")) == {"python_logger"}
    return {name: value for name, value in line.items() if value not in ({}, "")}


@pytest.fixture
def lines() -> Iterator[Lines]:
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.handlers, logger.level, logger.propagate) for logger in loggers]
    yield Lines()
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)
    record_with()
