"""The table of cells: every fault at every call, at the first, middle and last of them, on every path.

Left out is, by these rules and no others, what makes no sense:

- A position that is none: the middle of fewer than three calls, the last of one.
- Faults that begin in the body of a request that has none. A gRPC call is one message, and is not cut.
- Two answers to a request that changes nothing: they are the same.
- `Retry-After` over gRPC, which does not have it; there the same status comes from something in between.
- Expired credentials where a request carries none.
- Garbage of another kind than the answer.
- TLS that fails where there is none: the metadata server is called in plain HTTP.
- A fault that lasts as long as the service's own request, other than from the first call and in the first place of its
  bytes on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from random import Random

from tests.proof.wire.answers import (
    CANARY,
    GRPC,
    backwards,
    bare,
    empty_message,
    from_in_between,
    half,
    no_message,
    page_in_between,
    refusal,
    with_another_body,
)
from tests.proof.wire.calls import SCENARIOS, Call, Gets, Scenario
from tests.proof.wire.faults import (
    Alter,
    CutAnswer,
    CutRequest,
    Drip,
    Place,
    Reply,
    Spoil,
    Stall,
    Twice,
    Undelivered,
)
from tests.proof.wire.http1 import Answer
from tests.proof.wire.proxy import Fault
from tests.proof.wire.tls import hang_up, impersonate, talk_nonsense
from tests.proof.wire.world import Side

STATUSES = (429, 500, 502, 503, 504)


class Row(StrEnum):
    """Faults, as the table names them."""

    RESET = "reset"
    TRUNCATED = "truncation"
    STALL = "stall"
    DRIP = "slow drip"
    TWICE = "duplicate delivery"
    S429, S429_LATER = "429", "429, Retry-After"
    S500, S500_LATER = "500", "500, Retry-After"
    S502, S502_LATER = "502", "502, Retry-After"
    S503, S503_LATER = "503", "503, Retry-After"
    S504, S504_LATER = "504", "504, Retry-After"
    DONE = "503, though done"
    S401, S403 = "401", "403"
    EXPIRED = "expired credentials"
    GARBAGE = "garbage"
    TLS = "TLS failure"


@dataclass(frozen=True, slots=True)
class Variant:
    """One way of a fault. `lasts` says that it strikes every such request from then on, as long as the service's own
    request takes. `old_keys` says that it strikes only what carries the credentials known before; `rotated`, that there
    are others."""

    row: Row
    name: str
    fault: Fault
    lasts: bool = False
    old_keys: bool = False
    rotated: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    scenario: Scenario
    call: Call
    place: Place
    variant: Variant

    @property
    def id(self) -> str:
        where = f"{self.scenario.name}: {self.place} {self.call.name}"
        trouble = f" ({self.call.gets})" if self.call.trouble else ""
        return f"{where}{trouble}: {self.variant.row}: {self.variant.name}{', lasting' if self.variant.lasts else ''}"

    @property
    def column(self) -> tuple[Side, str]:
        return self.call.side, self.call.name

    @property
    def needs_impatience(self) -> bool:
        return self.variant.row is Row.STALL

    @property
    def is_denial(self) -> bool:
        """Whether S3 or Cloud Storage says so: what does not pass by itself. Credentials can be mended without us."""
        return self.variant.row in (Row.S401, Row.S403) and self.call.side in (Side.S3, Side.STORAGE)


def cells() -> Iterator[Cell]:
    """All of them, call by call."""
    for scenario in SCENARIOS:
        for call in scenario.calls:
            for place in _places(call.count):
                for variant in variants(call):
                    if place is Place.FIRST or not variant.lasts or variant.old_keys:
                        yield Cell(scenario, call, place, variant)


def sample(of: Sequence[Cell], share: int, seed: int) -> list[Cell]:
    """One of `share`, drawn; of each fault at each side, and of each call at each of its places, one at least."""
    drawn = Random(seed).sample(of, len(of))
    met: set[object] = set()
    chosen: set[str] = set()
    for cell in drawn:
        new = {(cell.call.side, cell.variant.row), (cell.scenario.name, cell.call, cell.place)} - met
        if new:
            chosen.add(cell.id)
            met |= new
    more = [cell.id for cell in drawn if cell.id not in chosen]
    chosen.update(more[: max(0, len(of) // share - len(chosen))])
    return [cell for cell in of if cell.id in chosen]


def _places(count: int) -> list[Place]:
    return [Place.FIRST, *([Place.MIDDLE] if count > 2 else []), *([Place.LAST] if count > 1 else [])]


def variants(call: Call) -> Iterator[Variant]:
    for make in (_cuts, _stalls, _odd_deliveries, _statuses, _denials, _garbage, _tls):
        yield from make(call)


def _twofold(row: Row, name: str, fault: Fault, **more: bool) -> Iterator[Variant]:
    """Once, and for as long as the request takes."""
    yield Variant(row, name, fault, **more)
    yield Variant(row, name, fault, lasts=True, **more)


def _cuts(call: Call) -> Iterator[Variant]:
    yield from _twofold(Row.RESET, "undelivered", Undelivered())
    if call.sends and call.side not in GRPC:
        for place in Place:
            yield Variant(Row.RESET, f"{place} of the request", CutRequest(place))
    for row, reset in ((Row.RESET, True), (Row.TRUNCATED, False)):
        for place in Place:
            made = _twofold if place is Place.FIRST else _once
            yield from made(row, f"{place} of the answer", CutAnswer(place, reset=reset))


def _once(row: Row, name: str, fault: Fault) -> Iterator[Variant]:
    yield Variant(row, name, fault)


def _stalls(call: Call) -> Iterator[Variant]:
    yield from _twofold(Row.STALL, "undelivered", Stall(None))
    for place in Place:
        yield Variant(Row.STALL, f"{place} of the answer", Stall(place))


def _odd_deliveries(call: Call) -> Iterator[Variant]:
    yield from _twofold(Row.DRIP, "the answer", Drip())
    yield from _twofold(Row.TWICE, "the first answer comes back", Twice(first=True))
    if not call.reads:
        yield from _twofold(Row.TWICE, "the second answer comes back", Twice(first=False))


def _statuses(call: Call) -> Iterator[Variant]:
    for status in STATUSES:
        yield from _twofold(Row(str(status)), "", Reply(partial(refusal, call.side, status)))
        name, make = "Retry-After", partial(refusal, call.side, status, later=True)
        if call.side in GRPC:
            name, make = "from in between", partial(from_in_between, status)
        row = Row(str(status)) if call.side in GRPC else Row(f"{status}, Retry-After")
        yield from _twofold(row, name, Reply(make))
    yield from _twofold(Row.DONE, "", Reply(partial(refusal, call.side, 503), delivered=True))


def _denials(call: Call) -> Iterator[Variant]:
    for status in (401, 403):
        yield from _twofold(Row(str(status)), "", Reply(partial(refusal, call.side, status)))
    if not call.signs:
        return
    if call.side is Side.S3:
        for status, code in ((400, "ExpiredToken"), (403, "InvalidAccessKeyId")):
            fault = Reply(partial(refusal, call.side, status, code=code))
            yield Variant(Row.EXPIRED, f"{code}, others there", fault, lasts=True, old_keys=True, rotated=True)
            yield Variant(Row.EXPIRED, f"{code}, none other", fault, lasts=True)
    elif call.side is Side.STORAGE:
        fault = Reply(partial(refusal, call.side, 401))
        yield Variant(Row.EXPIRED, "another token there", fault, lasts=True, old_keys=True)


def _garbage(call: Call) -> Iterator[Variant]:
    if call.side in GRPC:
        yield from _twofold(Row.GARBAGE, "no message", Reply(no_message, delivered=True))
        yield from _twofold(Row.GARBAGE, "an empty message", Reply(empty_message, delivered=True))
        yield from _twofold(Row.GARBAGE, "a page in between", Reply(page_in_between))
        return
    yield from _twofold(Row.GARBAGE, "a page in between", Reply(page_in_between))
    yield from _twofold(Row.GARBAGE, "no HTTP", Alter(lambda answer: Answer(CANARY.encode() * 3, b"", True)))
    if call.gets is Gets.BYTES:
        yield from _twofold(Row.GARBAGE, "other bytes", Alter(backwards))
        yield Variant(Row.GARBAGE, "too few bytes", Alter(half))
    elif call.gets is Gets.DOCUMENT:
        yield from _twofold(Row.GARBAGE, "half a document", Alter(half))
        for name, body in (("nothing", b""), ("another document", b'[null, "' + CANARY.encode() + b'"]')):
            yield Variant(Row.GARBAGE, name, Alter(partial(with_another_body, body)))
        yield Variant(Row.GARBAGE, "no text", Alter(backwards))
    else:
        yield from _twofold(Row.GARBAGE, "a bare head", Alter(bare))


def _tls(call: Call) -> Iterator[Variant]:
    if call.side is Side.METADATA:
        return
    for name, how in (("hangs up", hang_up), ("talks nonsense", talk_nonsense), ("impostor", impersonate)):
        yield Variant(Row.TLS, name, Spoil(how, 1))
        if how is hang_up:
            yield Variant(Row.TLS, name, Spoil(how, None), lasts=True)
