"""The Google Cloud CLI's Pub/Sub emulator: a jar, where it is installed and there is a java for it."""

import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

STARTING_SECONDS = 60
PLACE = "platform/pubsub-emulator/lib"


class NotInstalled(Exception):
    """Its text says what is missing."""


@dataclass(frozen=True, slots=True)
class Emulator:
    """Where it is."""

    java: str
    jar: Path

    @property
    def version(self) -> str:
        found = re.search(r"\d+(\.\d+)+", self.jar.name)
        return found[0] if found else "(version unknown)"


def find_emulator() -> Emulator:
    """Raises `NotInstalled`."""
    java = shutil.which("java")
    if java is None:
        raise NotInstalled("no java")
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise NotInstalled("no Google Cloud CLI")
    asked = [gcloud, "info", "--format=value(installation.sdk_root)"]
    root = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False).stdout.strip()
    jars = sorted(Path(root, PLACE).glob("cloud-pubsub-emulator-*.jar")) if root else []
    if not jars:
        raise NotInstalled("no pubsub-emulator in the Google Cloud CLI")
    return Emulator(java, jars[-1])


@contextmanager
def running_emulator(emulator: Emulator) -> Iterator[str]:
    """Yields its address once it answers. Whether its port is still free when it starts cannot be made sure of: it
    takes a number, and no socket."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    port = address.rpartition(":")[2]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [emulator.java, "-Xmx512m", "-jar", str(emulator.jar), "--host=127.0.0.1", f"--port={port}"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            with grpc.insecure_channel(address) as channel:
                grpc.channel_ready_future(channel).result(STARTING_SECONDS)
            yield address
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def emulator_or_skip() -> Iterator[str]:
    """The address of one that runs; without one the test is skipped."""
    try:
        installed = find_emulator()
    except NotInstalled as missing:
        pytest.skip(f"Google's emulator cannot run: {missing}")
    with running_emulator(installed) as address:
        yield address
