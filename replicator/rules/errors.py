"""What is wrong with the rules."""

from collections.abc import Iterable


class RulesError(Exception):
    """The rules cannot be used. Each of `problems` names the rule, the field and what is wrong, never a long value."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))
