"""`python -m replicator.dev`. Its imports take a moment, in which Ctrl-C is nothing out of the ordinary, either."""

import sys

try:
    from replicator.dev.command import main
except KeyboardInterrupt:
    sys.exit(130)

sys.exit(main())
