"""Google's own servers, where they are installed."""

from collections.abc import Iterator

import pytest

from tests.deploy.pubsub_emulator import NotInstalled, find_emulator, running_emulator


@pytest.fixture(scope="module")
def emulator() -> Iterator[str]:
    try:
        installed = find_emulator()
    except NotInstalled as missing:
        pytest.skip(f"Google's emulator cannot run: {missing}")
    with running_emulator(installed) as address:
        yield address
