"""What is wrong with the rules."""

from collections.abc import Iterable

SHOWN = 20
"""Problems that one message has at most."""


class RulesError(Exception):
    """The rules cannot be used. Each of `problems` names the rule, the field and what is wrong, never a long value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        others = len(self.problems) - SHOWN
        super().__init__("; ".join((*self.problems[:SHOWN], *([f"and {others} more"] if others > 0 else ()))))
