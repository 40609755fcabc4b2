"""The switch that makes the embedded Cloud Storage fail in ways that a real one, or the network, does."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

from replicator.dev.cloud_storage import Answer, Fault, Faults, Garble, LoseAnswer, Reset, UploadKind
from replicator.dev.cloud_storage.faults import Action

MIB = 1024**2
WRITES = ("POST", "PUT", "PATCH", "DELETE")
"""Never a GET: the page itself reads the bucket."""


@dataclass(frozen=True, slots=True)
class Position:
    """One position of the switch, in words for a person."""

    name: str
    title: str
    explanation: str
    faults: tuple[Fault, ...]


THIRD = 3
"""Not every second: a client that asks after each failed write what became of it would meet all its writes failing."""


def _on_writes(action: Action, every: int) -> tuple[Fault, ...]:
    return tuple(Fault(action, method=method, every=every, times=None) for method in WRITES)


OFF = Position("off", "Off", "Cloud Storage does what it is asked.", ())

POSITIONS = (
    OFF,
    Position(
        "busy",
        "Busy",
        "Every third write is answered with 503. It is sent again, and the outcome is the same.",
        _on_writes(Answer(503), every=THIRD),
    ),
    Position(
        "lost-answers",
        "Lost answers",
        "Every third write is carried out, but its answer is lost. The next look finds our own receipt.",
        _on_writes(LoseAnswer(), every=THIRD),
    ),
    Position(
        "garbled-answers",
        "Garbled answers",
        "Every third write is carried out, but a proxy answers with a page of its own. It takes another attempt.",
        _on_writes(Garble(), every=THIRD),
    ),
    Position(
        "broken-uploads",
        "Broken uploads",
        "Every second upload breaks off on its way. Small ones begin again, large ones go on where they broke.",
        (
            Fault(Reset(MIB), upload=UploadKind.MULTIPART, every=2, times=None),
            Fault(Reset(8 * MIB), upload=UploadKind.CHUNK, every=2, times=None),
        ),
    ),
    Position(
        "down",
        "Down",
        "Every write is answered with 503. Deliveries fail after some seconds and come again; the fifth failure "
        "makes a dead letter.",
        _on_writes(Answer(503), every=1),
    ),
)


class FaultSwitch:
    """Is in one position at a time. May be used from any thread."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._lock = Lock()
        self._position = OFF
        self._struck_before = 0

    def turn(self, name: str) -> None:
        """Raises `KeyError` for a position that the switch does not have."""
        position = {position.name: position for position in POSITIONS}[name]
        with self._lock:
            self._faults.clear()
            for fault in position.faults:
                self._faults.add(fault)
            self._position, self._struck_before = position, self._faults.struck

    @property
    def state(self) -> dict[str, Any]:
        """`struck`: how many requests met a fault since the switch was turned."""
        with self._lock:
            struck = self._faults.struck - self._struck_before
            return {"position": self._position.name, "struck": struck, "positions": list(_described())}


def _described() -> Iterator[dict[str, str]]:
    for position in POSITIONS:
        yield {"name": position.name, "title": position.title, "explanation": position.explanation}
