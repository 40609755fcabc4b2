"""The networks that a run is measured on: loopback as it is, or with a link in front of each side."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import places
from tests.bench.child import Child
from tests.bench.turns import Turn

LOOPBACK = "loopback"
DISTANT = "distant"
ROUND_TRIP = 0.050
"""Seconds."""

WINDOW = 4 * 1024**2
"""Bytes under way in each direction of a connection, at most."""

TITLES = {LOOPBACK: "loopback", DISTANT: "50 ms round trip, 4 MiB windows"}


@dataclass(frozen=True, slots=True)
class Sides:
    """Where S3 and Cloud Storage are to be reached: the JSON API, and the XML API for clients that speak only that."""

    s3: str
    storage: str
    storage_xml: str


class Network:
    """The sides as seen from a way, and what passed on the way there."""

    def __init__(self, sides: Sides, links: Mapping[str, Child]) -> None:
        self.sides = sides
        self._links = links

    def turns(self) -> list[Turn]:
        """Those since the last time; none on loopback, where nobody looks."""
        return [Turn(*turn) for link in self._links.values() for turn in link.ask()["turns"]]


@contextmanager
def opened(name: str, sides: Sides, folder: Path) -> Iterator[Network]:
    if name == LOOPBACK:
        yield Network(sides, {})
        return
    with ExitStack() as running:
        links = {
            url: running.enter_context(link_to(url, folder)) for url in (sides.s3, sides.storage, sides.storage_xml)
        }
        s3, storage, storage_xml = (url_of(link) for link in links.values())
        yield Network(Sides(s3, storage, storage_xml), links)


def link_to(url: str, folder: Path) -> Child:
    """A link in a process of its own, so that one side's bytes do not wait behind the other's."""
    target = urlsplit(url)
    arguments = [str(target.hostname), str(target.port), str(ROUND_TRIP / 2), str(WINDOW)]
    command = [places.PYTHON, "-m", "tests.bench.link", *arguments]
    return Child(command, places.base_environment(), folder / "link.log")


def url_of(link: Child) -> str:
    return f"http://127.0.0.1:{link.ready['port']}"
