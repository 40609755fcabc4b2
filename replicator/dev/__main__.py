"""`python -m replicator.dev`."""

import sys

from replicator.dev.signals import EndingSignals

signals = EndingSignals()

# Importing everything takes a moment, in which Ctrl-C already counts.
from replicator.dev.command import main  # noqa: E402

sys.exit(main(signals))
