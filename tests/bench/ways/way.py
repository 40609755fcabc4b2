"""What a way of copying is to the bench."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from replicator.dev.clients import AWS_ACCESS_KEY_ID, AWS_REGION, AWS_SECRET_ACCESS_KEY
from tests.bench import places
from tests.bench.network import Sides
from tests.bench.usage import Memory

KEYS = {
    "AWS_ACCESS_KEY_ID": AWS_ACCESS_KEY_ID,
    "AWS_SECRET_ACCESS_KEY": AWS_SECRET_ACCESS_KEY,
    "AWS_REGION": AWS_REGION,
    "AWS_DEFAULT_REGION": AWS_REGION,
}


@dataclass(frozen=True, slots=True)
class Task:
    """What a way is started for. `folder` is for what it has to write, such as its configuration; `variables` are for
    the project's own ways."""

    sides: Sides
    source_bucket: str
    destination_bucket: str
    at_once: int
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def environment(self, **more: str) -> dict[str, str]:
        return {**places.base_environment(), **KEYS, **more}


class Started(Protocol):
    """A way's processes, ready to copy."""

    @property
    def pid(self) -> int:
        """Of the process from which all of the way's processes descend."""

    def copy(self, keys: Sequence[str]) -> None:
        """Copies these objects and no others; returns when all are durable. Raises when that fails."""

    def peak(self) -> Memory:
        """The most memory that was resident so far."""


class Way(Protocol):
    """One way of copying objects from S3 to Cloud Storage."""

    @property
    def name(self) -> str:
        """For the command line and the results."""

    @property
    def title(self) -> str:
        """For people."""

    def missing(self) -> str | None:
        """What has to be installed first, or `None`."""

    def start(self, task: Task) -> AbstractContextManager[Started]: ...
