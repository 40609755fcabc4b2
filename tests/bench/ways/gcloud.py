"""`gcloud storage cp`, where it is installed. It is a command: its start, about a second, counts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePosixPath

from tests.bench import places
from tests.bench.child import Child
from tests.bench.usage import Memory
from tests.bench.ways.way import Started, Task


class Gcloud:
    """It decides by itself how many objects it copies at once."""

    name = "gcloud"
    title = "gcloud storage cp"

    def missing(self) -> str | None:
        return None if places.found("gcloud") else "gcloud is not installed; no package of PyPI has it"

    @contextmanager
    def start(self, task: Task) -> Iterator[Started]:
        environment = task.environment(
            CLOUDSDK_CONFIG=str(task.folder / "gcloud"),
            CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE=f"{task.sides.storage}/storage/v1/",
            CLOUDSDK_STORAGE_S3_ENDPOINT_URL=task.sides.s3,
            CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
            CLOUDSDK_CORE_DISABLE_PROMPTS="1",
            CLOUDSDK_CORE_DISABLE_USAGE_REPORTING="true",
            CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK="true",
        )
        command = [places.PYTHON, "-m", "tests.bench.drivers.command"]
        with Child(command, environment, task.folder / "gcloud.log") as child:
            yield _Command(child, task)


class _Command:
    def __init__(self, child: Child, task: Task) -> None:
        self.pid = child.pid
        self._child = child
        self._source, self._destination = f"s3://{task.source_bucket}", f"gs://{task.destination_bucket}"
        self._peak = 0

    def copy(self, keys: Sequence[str]) -> None:
        """One object by its name, or a folder that has no other objects."""
        command = [str(places.found("gcloud")), "storage", "cp"]
        if len(keys) == 1:
            command += [f"{self._source}/{keys[0]}", f"{self._destination}/{keys[0]}"]
        else:
            command += ["--recursive", f"{self._source}/{PurePosixPath(keys[0]).parent}", self._destination]
        self._peak = max(self._peak, self._child.ask(command=command)["peak"])

    def peak(self) -> Memory:
        """Of its processes only the largest is known once they have ended."""
        return Memory(self._peak, self._peak)
