"""The other end of `Child`: what runs in the processes. Nothing but the standard library is needed for it."""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any


def say(**line: Any) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def answer_until_told_to_end(answer: Callable[[dict[str, Any]], dict[str, Any]], lines: Iterable[str]) -> None:
    """`answer` gets each question. What it raises is told, and the next question may be asked."""
    for line in lines:
        try:
            reply = answer(json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        say(**reply)
