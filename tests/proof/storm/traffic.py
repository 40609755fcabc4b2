"""What happens to the source while the storm blows, and the events about it. Pure: the same seed, the same traffic."""

import hashlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from replicator.dev.events import build_event
from replicator.dev.writes import Created, Deleted

BUCKET, FORBIDDEN, MISSING = "source-bucket", "forbidden-bucket", "missing-bucket"
KIB, MIB = 1024, 1024**2

HOT_SHARE, HOT_WRITES = 0.01, 12
"""A few objects are written again and again: that is where workers meet."""

SIZES = ((0.02, (100 * KIB, 400 * KIB)), (0.3, (8 * KIB, 20 * KIB)), (1.0, (0, 2 * KIB)))
"""Shares of the objects, cumulated, and the sizes between which they are."""

STREAMED, IN_PARTS = 9 * MIB, 65 * MIB
SMALL, LARGE = "small/", "large/"
"""The first folder of each key: an object of at most 400 KiB, and one that is streamed or copied in parts."""


@dataclass(frozen=True, slots=True)
class Step:
    """One write: to the state with these bytes, or to none. `content` is short; the bytes follow from it."""

    key: str
    size: int | None
    content: int = 0

    @property
    def data(self) -> bytes:
        """No two steps have the same, unless they are empty."""
        return b"" if self.size is None else random.Random(self.content).randbytes(self.size)


@dataclass(frozen=True, slots=True)
class Sent:
    """A message for the topic. `about` says what a person wants to know of it; poison must end as a dead letter."""

    data: bytes
    about: str
    poison: bool = False


@dataclass(frozen=True, slots=True)
class Traffic:
    """`steps` are in the order in which they are done; those of one key are never swapped."""

    seed: int
    steps: tuple[Step, ...]
    poison: tuple[Sent, ...]
    harmless: tuple[Sent, ...]
    last: dict[str, Step] = field(repr=False)


def make_traffic(seed: int, objects: int, streamed: int, in_parts: int, poison: int) -> Traffic:
    """Histories for so many objects, interleaved."""
    chance = random.Random(seed)
    large = [STREAMED + chance.randrange(3 * MIB) for _ in range(streamed)] + [IN_PARTS] * in_parts
    histories = [_history(f"{LARGE}{number}.bin", size, chance, 2) for number, size in enumerate(large)]
    for number in range(objects - len(large)):
        roll = chance.random()
        low, high = next(bounds for share, bounds in SIZES if roll < share)
        writes = HOT_WRITES if chance.random() < HOT_SHARE else 1 + (chance.random() < 0.25)
        histories.append(_history(_key(number), chance.randint(low, high), chance, writes))
    steps = _interleaved(histories, chance)
    harmless = tuple(Sent(data, "harmless") for data in _HARMLESS for _ in range(max(1, poison // 4)))
    return Traffic(
        seed, steps, tuple(_poison(number) for number in range(poison)), harmless, {step.key: step for step in steps}
    )


def _key(number: int) -> str:
    """Keys of several folders, and some whose characters matter on the way."""
    name = f"ünïcode +%20&?#/{number}" if number % 20 == 0 else f"object-{number}.txt"
    return f"{SMALL}{number % 7}/{name}"


def _history(key: str, size: int, chance: random.Random, writes: int) -> list[Step]:
    """Written at least once; then one in eight is deleted, and half of those come back."""
    steps = [Step(key, max(0, size - number), chance.getrandbits(64)) for number in range(writes)]
    if chance.random() < 0.12 or writes == HOT_WRITES:
        steps.append(Step(key, None))
        if chance.random() < 0.5:
            steps.append(Step(key, size, chance.getrandbits(64)))
    return steps


def _interleaved(histories: list[list[Step]], chance: random.Random) -> tuple[Step, ...]:
    turns = [number for number, history in enumerate(histories) for _ in history]
    chance.shuffle(turns)
    rest = [iter(history) for history in histories]
    return tuple(next(rest[number]) for number in turns)


def event_about(step: Step, number: int) -> Sent:
    """The event that S3 sends for this step."""
    write: Created | Deleted
    if step.size is None:
        write = Deleted(BUCKET, step.key, False, None, f"R{number}")
    else:
        etag = hashlib.md5(step.data, usedforsecurity=False).hexdigest()
        write = Created(BUCKET, step.key, "PutObject", step.size, etag, None, f"R{number}")
    event = build_event(write, f"event-{number}", datetime.now(UTC), f"{number:016X}")
    return Sent(json.dumps(event).encode(), step.key)


def shuffled(events: Iterator[Sent], chance: random.Random, window: int, duplicates: float) -> Iterator[Sent]:
    """The same events in another order, each later by up to about `window` others, and a share of them twice."""
    held: list[Sent] = []
    for event in events:
        held.append(event)
        if chance.random() < duplicates:
            held.append(event)
        while len(held) > window:
            yield _taken(held, chance)
    while held:
        yield _taken(held, chance)


def _taken(held: list[Sent], chance: random.Random) -> Sent:
    place = chance.randrange(len(held))
    held[place], held[-1] = held[-1], held[place]
    return held.pop()


def _created(key: str, bucket: str = BUCKET) -> bytes:
    write = Created(bucket, key, "PutObject", 1, "e", None, "R")
    return json.dumps(build_event(write, f"poison-{key}", datetime.now(UTC), "0")).encode()


ARCHIVED = "archived.bin"
"""The storm puts it in a storage class that cannot be read."""

_POISON = {
    "no JSON": b'{"detail-type": "Object Crea',
    "no event": b'{"hello": "world"}',
    "no text": b"\xff\xfe\x00",
    "an event without a key": b'{"detail-type": "Object Created", "source": "aws.s3", "detail": {}}',
    "a name that Cloud Storage cannot hold": _created("line\nfeed"),
    "a name of our own": _created(".replicator/parts/x"),
    "a bucket that is not there": _created("k", MISSING),
    "a bucket that refuses": _created("k", FORBIDDEN),
    "an archived object": _created(ARCHIVED),
}

_HARMLESS = (
    _created("k", "a-bucket-of-no-rule"),
    b'{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "source-bucket"}',
)


def _poison(number: int) -> Sent:
    kind = list(_POISON)[number % len(_POISON)]
    return Sent(_POISON[kind], f"{kind} ({number})", poison=True)
