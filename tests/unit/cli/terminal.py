"""The command line on both sides in memory."""

import json

import pytest

from replicator import cli
from replicator.engine import Engine, RetryPolicy
from replicator.reconcile import Reconciler
from replicator.rules import RuleSet
from replicator.transfer import Transfer, Unwatched
from tests.fakes import InMemoryDestination, InMemorySource


class Terminal:
    """Runs commands as `main` does, on both sides in memory."""

    def __init__(self, capsys, rules) -> None:
        self._capsys = capsys
        self.source, self.destination = InMemorySource("source"), InMemoryDestination({"replica", "archive"})
        self.rules = RuleSet(rules)
        self.built = 0

    def engine(self, progress) -> Engine:
        self.built += 1
        transfer = Transfer(self.source, self.destination, 64 * 1024, progress or Unwatched())
        reconciler = Reconciler(self.source, self.destination, transfer, self.rules)
        return Engine(self.rules, reconciler, RetryPolicy(0, 0.0, 1.0, lambda seconds: None), 60)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments, self.engine)
        captured = self._capsys.readouterr()
        return ended.value.code or 0, captured.out, captured.err

    def json(self, *arguments: str):
        code, out, err = self(*arguments, "--json")
        assert err == ""
        assert out.count("\n") == 1
        return code, json.loads(out)
