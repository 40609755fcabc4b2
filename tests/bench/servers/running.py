"""All servers of a run. What they use of the machine is not counted, though they share its cores."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path

from tests.bench import places
from tests.bench.child import Child
from tests.bench.network import Sides
from tests.bench.servers.seaweed import seaweed


class S3(StrEnum):
    SEAWEED = "seaweedfs"
    MOTO = "moto"


@contextmanager
def servers(s3: S3, folder: Path) -> Iterator[Sides]:
    with ExitStack() as running:

        def child(module: str) -> str:
            command = [places.PYTHON, "-m", f"tests.bench.servers.{module}"]
            server = running.enter_context(Child(command, places.base_environment(), folder / f"{module}.log"))
            url: str = server.ready["url"]
            return url

        s3_url = child("moto_s3") if s3 is S3.MOTO else running.enter_context(seaweed(folder))
        yield Sides(s3_url, child("sink"), child("xml_sink"))
