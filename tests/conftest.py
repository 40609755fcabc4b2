"""For all tests."""

import signal

from tests.canaries import _everything_told_is_watched, pytest_runtest_makereport

__all__ = ["_everything_told_is_watched", "pytest_runtest_makereport"]

# Scripts start what runs in the background, and `nohup` whatever it runs, with signals ignored that tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
