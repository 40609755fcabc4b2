from collections.abc import Callable
from pathlib import Path

import pytest

EVENTS = Path(__file__).parents[2] / "events"


@pytest.fixture(scope="session")
def event_files() -> dict[str, bytes]:
    """Every file of `tests/events`, by its path there without `.json`."""
    return {path.relative_to(EVENTS).with_suffix("").as_posix(): path.read_bytes() for path in EVENTS.rglob("*.json")}


@pytest.fixture(scope="session")
def read_event(event_files: dict[str, bytes]) -> Callable[[str], bytes]:
    return event_files.__getitem__
