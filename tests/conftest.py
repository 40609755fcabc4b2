"""For all tests."""

import os
import signal

from hypothesis import settings

from tests.canaries import _everything_told_is_watched, pytest_runtest_makereport

__all__ = ["_everything_told_is_watched", "pytest_runtest_makereport"]

# The same examples each time, unless a test draws a seed and prints it. How long one takes depends on the machine.
settings.register_profile("suite", derandomize=True, deadline=None)
settings.load_profile("suite")

# Scripts start what runs in the background, and `nohup` whatever it runs, with signals ignored that tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: many tests wait for processes that they have started."""
    return (os.cpu_count() or 1) + 1
