"""For all tests."""

from tests.canaries import _everything_told_is_watched, pytest_runtest_makereport

__all__ = ["_everything_told_is_watched", "pytest_runtest_makereport"]
