"""What the drivers share: each copies the keys it is asked for, so many at once, and nothing else."""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.bench.answering import answer_until_told_to_end, say


def serve(copy: Callable[[str], None]) -> None:
    """`copy` copies one object. What it raises fails the work."""

    def answer(question: dict[str, Any]) -> dict[str, Any]:
        with ThreadPoolExecutor(question["at_once"]) as pool:
            list(pool.map(copy, question["keys"]))
        return {"copied": len(question["keys"])}

    say(ready=True)
    answer_until_told_to_end(answer, sys.stdin)
