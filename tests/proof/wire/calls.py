"""The calls that the service makes to its sides, and for each the copies in which it makes them: as data."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from replicator.model import Attributes, ContentHeaders, DestinationName, SourceKey
from replicator.rules import Assignment
from replicator.transfer.checksums import crc32c
from replicator.transfer.tree import Node, tree_for
from tests.proof.wire.faults import CutAnswer, CutRequest, Do, Place
from tests.proof.wire.proxy import Fault
from tests.proof.wire.world import BY_ROLE, KIB, REPLICA, SOURCE, STREAMED, Side, World
from tests.service.envelopes import eventbridge

PART = 32 * KIB
PARTS = 6
PARTS_SIZE = (PARTS - 1) * PART + 1000
STREAM_SIZE = 600 * KIB + 123
LAST_BYTE = STREAM_SIZE - 1
NO_LEAVES = 3
"""Temporary objects that are of no use, and have to be discarded."""

TIME_IS_UP_AFTER = 5
"""Parts: more than are begun at once, so that the copy has got ahead by then."""


class Gets(StrEnum):
    """What the answer to a call is."""

    HEAD = "a head"
    DOCUMENT = "a document"
    BYTES = "bytes of the object"
    STATUS = "a status"


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request, told from others by `pattern`, a regular expression that is searched for in its head, with
    the object's key for `{key}`. `after` tells how many like it come before. It may come about only through `trouble`,
    a fault that strikes the first request with another pattern.

    `sends` says whether it has a body, and `signs` whether it carries credentials; `reads` that it changes nothing.
    """

    name: str
    side: Side
    pattern: str
    gets: Gets
    count: int = 1
    after: int = 0
    sends: bool = False
    signs: bool = True
    reads: bool = True
    trouble: tuple[Side, Fault, str] | None = None


@dataclass(frozen=True, slots=True)
class Scenario:
    """A copy, or what else an event asks for. `prepare` makes both sides ready for it and gives the bytes that are to
    be the destination's in the end; `None` stands for no object."""

    name: str
    path: str
    calls: tuple[Call, ...]
    prepare: Callable[[World, str], bytes | None]
    bucket: str = SOURCE
    kind: str = "created"
    arm: Callable[[World, str], None] = lambda world, key: None
    ingests: bool = False


# --- S3 ---------------------------------------------------------------------------------------------------------------

_OBJECT = r"/[^ ?]*{key} HTTP"
_RANGE, _MATCH = r"(?s:.*)\n(?i:range):", r"(?s:.*)\n(?i:if-match):"
HEAD_OF_OBJECT = rf"^HEAD {_OBJECT}"
PINNED_GET = rf"^GET {_OBJECT}(?={_MATCH})(?!{_RANGE})"
RANGED_GET = rf"^GET {_OBJECT}(?={_RANGE})"

FIRST_GET = Call("first GET", Side.S3, rf"^GET {_OBJECT}(?!{_RANGE})(?!{_MATCH})", Gets.BYTES)
STAT_HEAD = Call("stat HEAD", Side.S3, HEAD_OF_OBJECT, Gets.HEAD)
FIRST_LAST_LOOK = Call("last look", Side.S3, HEAD_OF_OBJECT, Gets.HEAD)
LAST_LOOK = Call("last look", Side.S3, HEAD_OF_OBJECT, Gets.HEAD, after=1)
PINNED = Call("pinned GET", Side.S3, PINNED_GET, Gets.BYTES)
RANGED = Call("ranged GET", Side.S3, RANGED_GET, Gets.BYTES, count=PARTS)
RESUMED = Call(
    "ranged GET",
    Side.S3,
    RANGED_GET,
    Gets.BYTES,
    trouble=(Side.S3, CutAnswer(Place.MIDDLE, reset=True), PINNED_GET),
)
TAGS = Call("tags", Side.S3, r"^GET /[^ ?]*{key}\?tagging", Gets.DOCUMENT, count=2)
ATTRIBUTES = Call("attributes", Side.S3, r"^GET /[^ ?]*{key}\?attributes", Gets.DOCUMENT)
PART_HEADS = Call("part HEAD", Side.S3, r"^HEAD \S*{key}\S*partNumber=", Gets.HEAD, count=2)

# --- Cloud Storage ----------------------------------------------------------------------------------------------------

_B = rf"/storage/v1/b/{REPLICA}"
_PUT = r"^PUT \S*upload_id(?s:.*)\n(?i:content-range): bytes "
CHUNK_PATTERN = rf"{_PUT}\d+-(?!{LAST_BYTE}/)\d+/"
FINISH_PATTERN = rf"{_PUT}\d+-{LAST_BYTE}/"
_S, _DOC = Side.STORAGE, Gets.DOCUMENT

STAT = Call("stat", _S, rf"^GET {_B}/o/{{key}}\?", _DOC)
INSERT = Call("insert", _S, r"^POST /upload\S*uploadType=multipart&name={key}&", _DOC, sends=True, reads=False)
BEGIN = Call("begin", _S, r"^POST /upload\S*uploadType=resumable", Gets.STATUS, sends=True, reads=False)
CHUNK = Call("send chunk", _S, CHUNK_PATTERN, Gets.STATUS, sends=True, signs=False, reads=False)
FINISH = Call("finish", _S, FINISH_PATTERN, _DOC, sends=True, signs=False, reads=False)
QUERY = rf"{_PUT}\*/"
STATUS_OF_CHUNK = Call(
    "status query",
    _S,
    QUERY,
    Gets.STATUS,
    signs=False,
    reads=False,
    trouble=(_S, CutRequest(Place.MIDDLE), CHUNK_PATTERN),
)
STATUS_OF_FINISH = Call(
    "status query",
    _S,
    QUERY,
    _DOC,
    signs=False,
    reads=False,
    trouble=(_S, CutAnswer(reset=True), FINISH_PATTERN),
)
FACTS = Call("facts", _S, rf"^GET {_B}\?", _DOC)
LIST = Call("list", _S, rf"^GET {_B}/o\?prefix", _DOC, count=2)
PART_INSERT = Call("insert", _S, r"^POST /upload\S*name=\.replicator", _DOC, count=PARTS, sends=True, reads=False)
COMPOSE = Call("compose", _S, r"^POST \S*/compose\?", _DOC, count=3, sends=True, reads=False)
PATCH = Call("patch", _S, r"^PATCH ", _DOC, sends=True, reads=False)
DELETE = Call("delete", _S, r"^DELETE \S*/o/{key}\?", Gets.STATUS, reads=False)
DISCARD = Call("discard", _S, r"^DELETE \S*/o/\.replicator", Gets.STATUS, count=NO_LEAVES, reads=False)

# --- The others -------------------------------------------------------------------------------------------------------

ACCESS = Call("access", Side.SECRETS, "^POST ", _DOC)
PUBLISH = Call("publish (ingest)", Side.PUBSUB, "^POST ", _DOC, reads=False)
HAND_OVER = Call("publish (hand-over)", Side.PUBSUB, "^POST ", _DOC, reads=False)
ASSUME_ROLE = Call("assume role", Side.STS, "^POST ", _DOC, signs=False)
IDENTITY = Call("identity token", Side.METADATA, r"^GET \S*/identity\?", _DOC, signs=False)
PING = Call("ping", Side.METADATA, "^GET / ", Gets.STATUS, signs=False)
ACCOUNT = Call("account", Side.METADATA, r"^GET \S*recursive=true", _DOC, signs=False)
TOKEN = Call("access token", Side.METADATA, r"^GET \S*/token", _DOC, signs=False)


# --- What is there before ---------------------------------------------------------------------------------------------


def _new(size: int, bucket: str = SOURCE, tags: dict[str, str] | None = None) -> Callable[[World, str], bytes]:
    def prepare(world: World, key: str) -> bytes:
        data = os.urandom(size)
        world.s3.put(f"{bucket}/{key}", data, tags=tags)
        return data

    return prepare


def _uploaded(checksums: bool) -> Callable[[World, str], bytes]:
    def prepare(world: World, key: str) -> bytes:
        data = os.urandom(PARTS_SIZE)
        parts = [data[start : start + PART] for start in range(0, PARTS_SIZE, PART)]
        world.s3.upload(f"{SOURCE}/{key}", parts, checksums=checksums)
        return data

    return prepare


def _with_rubbish(world: World, key: str) -> bytes:
    """Where parts of this very copy are to be, there are objects of another size."""
    data = _uploaded(checksums=True)(world, key)
    reconciler, name = world.engine.reconciler, DestinationName(REPLICA, key)
    source = reconciler.source.stat(SourceKey(SOURCE, key))
    assert source
    [assignment] = world.engine.rules.assignments(source.key)
    plan = reconciler.transfer.plan(source, name, _rule(assignment))
    tree = tree_for(source, name, plan)
    for leaf in range(NO_LEAVES):
        rubbish = memoryview(b"too short")
        reconciler.destination.insert(
            DestinationName(REPLICA, tree.name(Node(0, leaf))),
            rubbish,
            crc32c(rubbish),
            Attributes(ContentHeaders(), {}),
            if_generation=0,
        )
    return data


def _rule(assignment: Assignment):  # type: ignore[no-untyped-def]
    rule, _ = assignment.rule_for(None)
    return rule


def _replicated(then: Callable[[World, str, bytes], bytes | None]) -> Callable[[World, str], bytes | None]:
    def prepare(world: World, key: str) -> bytes | None:
        data = _new(4 * KIB)(world, key)
        assert any(world.push(eventbridge(key)).status_code == 204 for _ in range(world.deliveries))
        return then(world, key, data)

    return prepare


def _metadata_changed(world: World, key: str, data: bytes) -> bytes:
    world.s3.put(f"{SOURCE}/{key}", data, cache_control="no-store")
    return data


def _deleted(world: World, key: str, data: bytes) -> None:
    del world.s3.objects[f"{SOURCE}/{key}"]


def _first_of_a_process(prepare: Callable[[World, str], bytes]) -> Callable[[World, str], bytes]:
    def prepared(world: World, key: str) -> bytes:
        world.keys.forget()
        world.role_keys.forget()
        world.identity.token = world.identity.expiry = None
        return prepare(world, key)

    return prepared


def _time_is_up(world: World, key: str) -> None:
    def skip() -> None:
        world.engine.clock.skipped += 1e6

    world.proxies[Side.STORAGE].meet(Do(skip), PART_INSERT.pattern, skip=TIME_IS_UP_AFTER - 1)


SCENARIOS = (
    Scenario("small and new", "whole", (FIRST_GET, INSERT, FIRST_LAST_LOOK), _new(4 * KIB)),
    Scenario("with tags", "whole", (TAGS,), _new(4 * KIB, tags={"colour": "blue"})),
    Scenario("not so small", "whole", (FIRST_GET, STAT, STAT_HEAD, PINNED, INSERT, LAST_LOOK), _new(80 * KIB)),
    Scenario(
        STREAMED,
        "stream",
        (
            FIRST_GET,
            STAT,
            STAT_HEAD,
            PINNED,
            RESUMED,
            BEGIN,
            CHUNK,
            STATUS_OF_CHUNK,
            FINISH,
            STATUS_OF_FINISH,
            LAST_LOOK,
        ),
        _new(STREAM_SIZE),
    ),
    Scenario(
        "parts",
        "parts",
        (FIRST_GET, STAT, STAT_HEAD, ATTRIBUTES, FACTS, LIST, RANGED, PART_INSERT, COMPOSE, LAST_LOOK),
        _uploaded(checksums=True),
    ),
    Scenario("parts of an upload without checksums", "parts", (PART_HEADS,), _uploaded(checksums=False)),
    Scenario("parts among rubbish", "parts", (DISCARD,), _with_rubbish),
    Scenario("new metadata", "", (PATCH,), _replicated(_metadata_changed)),
    Scenario("deleted", "", (DELETE,), _replicated(_deleted), kind="deleted"),
    Scenario("first of a process", "whole", (ACCESS, ACCOUNT, TOKEN), _first_of_a_process(_new(4 * KIB))),
    Scenario(
        "first by role",
        "whole",
        (ASSUME_ROLE, PING, IDENTITY),
        _first_of_a_process(_new(4 * KIB, BY_ROLE)),
        bucket=BY_ROLE,
    ),
    Scenario("ingested", "", (PUBLISH,), _new(4 * KIB), ingests=True),
    Scenario("out of time", "parts", (HAND_OVER,), _uploaded(checksums=True), arm=_time_is_up),
)
