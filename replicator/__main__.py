"""`python -m replicator`."""

import io
import sys

from replicator.cli import main

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors="backslashreplace")  # a key may hold what the terminal's encoding does not

main()
