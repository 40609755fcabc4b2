"""Ways that are libraries: a driver in a process of its own calls them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tests.bench import places
from tests.bench.child import Child
from tests.bench.usage import Memory, peak_memory
from tests.bench.ways.way import Started, Task


class _Driven:
    def __init__(self, child: Child, at_once: int) -> None:
        self._child, self._at_once = child, at_once
        self.pid = child.pid

    def copy(self, keys: Sequence[str]) -> None:
        self._child.ask(keys=list(keys), at_once=self._at_once)

    def peak(self) -> Memory:
        return peak_memory(self.pid)


@dataclass(frozen=True, slots=True)
class Library:
    """`driver` is a module of tests.bench.drivers, which gets these arguments and variables."""

    name: str
    title: str
    driver: str
    arguments: Callable[[Task], Sequence[str]]
    variables: Callable[[Task], Mapping[str, str]] = lambda task: {}
    python: str = places.PYTHON
    package: str | None = None

    def missing(self) -> str | None:
        if self.package is None or places.found(self.python):
            return None
        return f"{self.package} is not installed: `make bench` does it"

    @contextmanager
    def start(self, task: Task) -> Iterator[Started]:
        command = [self.python, "-m", f"tests.bench.drivers.{self.driver}", *self.arguments(task)]
        with Child(command, task.environment(**self.variables(task)), task.folder / f"{self.name}.log") as child:
            yield _Driven(child, task.at_once)


def naive(name: str, title: str) -> Library:
    def arguments(task: Task) -> list[str]:
        buckets = [task.source_bucket, task.destination_bucket]
        return [name, task.sides.s3, task.sides.storage, *buckets, str(task.at_once)]

    return Library(name, title, "naive", arguments)


OBSTORE = Library(
    "obstore",
    "obstore, S3Store to GCSStore",
    "obstore_stream",
    lambda task: [task.sides.s3, task.sides.storage_xml, task.source_bucket, task.destination_bucket],
    python=places.PEERS_PYTHON,
    package="obstore",
)
