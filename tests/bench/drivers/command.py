"""Runs commands, and says how much memory the largest of their processes had.

python -m tests.bench.drivers.command
"""

import os
import resource
import subprocess
import sys
from typing import Any

from tests.bench.answering import answer_until_told_to_end, say

KIB = 1024
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
"""A command with a Python of its own must not find this project's modules."""


def run(question: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(question["command"], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-500:])
    return {"peak": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * KIB}


if __name__ == "__main__":
    say(ready=True)
    answer_until_told_to_end(run, sys.stdin)
