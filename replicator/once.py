"""Building something when it is first needed."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TypeVar

T = TypeVar("T")


def once(build: Callable[[], T]) -> Callable[[], T]:
    """Builds at the first call, in one thread while the others wait; a build that fails is tried again."""
    lock, built = Lock(), cache(build)

    def get() -> T:
        with lock:
            return built()

    return get
