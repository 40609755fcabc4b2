"""Google's own servers, where they are installed."""

from collections.abc import Iterator

import pytest

from tests.deploy.pubsub_emulator import emulator_or_skip


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    with emulator_or_skip() as address:
        yield address
