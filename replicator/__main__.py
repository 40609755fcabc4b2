"""`python -m replicator`."""

import io
import sys

try:
    from replicator.cli import main
except ModuleNotFoundError as error:
    if str(error.name).startswith("replicator"):
        raise
    sys.stderr.write(f"replicator: {error.name} is not installed: run `make run` once, or install requirements.txt\n")
    sys.exit(2)

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")  # a key may hold what the terminal's encoding does not

main()
