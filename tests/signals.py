"""What a process does at a signal, whatever whoever started the tests has left it with: `nohup` ignores SIGHUP."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def disposition(number: signal.Signals, wanted: signal.Handlers) -> Iterator[None]:
    """For this process, and for those that it starts meanwhile."""
    before = signal.signal(number, wanted)
    try:
        yield
    finally:
        signal.signal(number, before)
