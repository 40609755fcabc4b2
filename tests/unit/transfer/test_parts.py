"""Path `parts` between in-memory sides: whatever ends an attempt, the next goes on, and nothing is left in the end."""

import hashlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from awscrt import checksums as crt

from replicator.deadline import Deadline
from replicator.ending import Ending
from replicator.errors import DestinationMoved, Permanent, SourceMoved, Transient, Unfinished
from replicator.fidelity import attributes_of
from replicator.model import (
    Attributes,
    BucketFacts,
    Checksum,
    CompositeChecksum,
    ContentHeaders,
    DestinationName,
    Placement,
    SourceKey,
)
from replicator.reasons import Reason
from replicator.rules import Rule
from replicator.transfer import Memory, Sizes, Transfer
from replicator.transfer.tree import Node, tree_for
from tests.fakes import InMemoryDestination, InMemorySource, OneByOne, crc32c

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
PART = 1000
SIZES = Sizes(whole_max=10, parts_min=100, part=PART, largest_part=4 * PART)
RULE = Rule("default", frozenset({"source"}), "replica")
ONE_LEVEL, TWO_LEVELS, THREE_LEVELS = 5 * PART + 1, 70 * PART + 1, 1030 * PART + 1


def crc64(data: bytes) -> Checksum:
    return Checksum("CRC64NVME", crt.crc64nvme(data).to_bytes(8))


def composite(algorithm: str, data: bytes, part_size: int) -> CompositeChecksum:
    def digest(part: bytes) -> bytes:
        return crt.crc32(part).to_bytes(4) if algorithm == "CRC32" else hashlib.new(algorithm, part).digest()

    parts = [data[start : start + part_size] for start in range(0, len(data), part_size)]
    return CompositeChecksum(algorithm, digest(b"".join(map(digest, parts))), part_size)


class Sides:
    def __init__(self) -> None:
        self.source = InMemorySource("source")
        self.destination = InMemoryDestination({"replica"})
        self.workers = ThreadPoolExecutor(8)
        self.memory = Memory(20 * PART)

    def put(self, data, check=crc64, their_part=PART // 2):
        if isinstance(check, str):
            state = self.source.put(KEY, data, checksum=None)
            self.source.composites[KEY] = composite(check, data, their_part)
            return state
        return self.source.put(KEY, data, checksum=check(data) if check else None)

    def copy(self, state, if_generation=0, deadline=None, source=None, destination=None):
        source, destination = source or self.source, destination or self.destination
        transfer = Transfer(source, destination, memory=self.memory, workers=self.workers, sizes=SIZES)
        self.plan = transfer.plan(state, NAME, RULE)
        assert self.plan.path == "parts"
        attributes = attributes_of(state, Placement(), self.plan.checked)
        return transfer.copy(self.plan, state, NAME, attributes, if_generation, deadline or Deadline.after(60))

    @property
    def visible(self):
        return self.destination.data(NAME)

    @property
    def temporary(self):
        return [name.name for name in self.destination.objects if name.name.startswith(".replicator/")]


@pytest.fixture
def sides():
    sides = Sides()
    yield sides
    sides.workers.shutdown()
    assert sides.memory._free == sides.memory.budget, "a loan was not given back"


@pytest.mark.parametrize("size", [101, PART, PART + 1, 32 * PART, 33 * PART, ONE_LEVEL, TWO_LEVELS, THREE_LEVELS])
def test_every_size_arrives_byte_for_byte_and_nothing_is_left_over(sides, size):
    data = os.urandom(size)
    state = sides.put(data)
    written = sides.copy(state)
    assert sides.visible == data
    assert (written.receipt.checked, written.receipt.etag) == ("CRC64NVME", state.etag)
    assert sides.source.read_bytes == size
    assert sides.temporary == []


@pytest.mark.parametrize("facts", [BucketFacts("STANDARD"), BucketFacts("STANDARD", versioning=True)])
@pytest.mark.parametrize(
    ("check", "name"),
    [
        (crc64, "CRC64NVME"),
        (lambda data: Checksum("CRC32", crt.crc32(data).to_bytes(4)), "CRC32"),
        (lambda data: Checksum("CRC32C", crc32c(data)), "CRC32C"),
        ("MD5", "MD5-COMPOSITE"),
        ("SHA256", "SHA256-COMPOSITE"),
        ("CRC32", "CRC32-COMPOSITE"),
        (None, "none"),
    ],
)
class TestEveryCheck:
    @pytest.fixture(autouse=True)
    def _patience(self, sides, facts, monkeypatch):
        """A bucket with versions gets parts only where a stream could not be finished."""
        sides.destination.bucket_facts = facts
        monkeypatch.setattr("replicator.transfer.plan.STREAM_RATE", 0)

    def test_is_made_and_named_in_the_receipt(self, sides, facts, check, name):
        data = os.urandom(TWO_LEVELS)
        assert sides.copy(sides.put(data, check)).receipt.checked == name
        assert sides.visible == data
        assert sides.temporary == []

    def test_goes_on_after_a_crash(self, sides, facts, check, name):
        data = os.urandom(TWO_LEVELS)
        state = sides.put(data, check)
        with pytest.raises(Crash):
            sides.copy(state, destination=Crashing(sides.destination, "insert", 50))
        sides.copy(state)
        assert sides.visible == data
        assert sides.temporary == []

    def test_does_nothing_twice(self, sides, facts, check, name):
        data = os.urandom(TWO_LEVELS)
        state = sides.put(data, check)
        with pytest.raises(Crash):
            sides.copy(state, destination=Crashing(sides.destination, "compose", 4))
        sides.source.read_bytes, sides.destination.writes = 0, []
        sides.copy(state)
        assert (sides.source.read_bytes, sides.destination.writes.count("write")) == (0, 1)
        assert sides.visible == data
        assert sides.temporary == []

    def test_fails_when_a_bit_differs_and_leaves_nothing(self, sides, facts, check, name):
        data = bytearray(os.urandom(TWO_LEVELS))
        state = sides.put(bytes(data), check)
        data[TWO_LEVELS // 2] ^= 1
        sides.source.objects[KEY] = state, bytes(data)
        if name == "none":
            sides.copy(state)
            return
        with pytest.raises(Transient) as caught:
            sides.copy(state)
        assert caught.value.reason is Reason.CHECKSUM_MISMATCH
        assert sides.visible is None
        assert sides.temporary == []


class Crash(BaseException):
    """The process is gone: nothing that it would do afterwards is done."""


class Crashing:
    """A destination whose `nth` call of a method is never made, and no later call of any."""

    def __init__(self, side, method, nth, after=False):
        self._side, self._method, self._left, self._after = side, method, nth, after
        self._lock = threading.Lock()

    def __getattr__(self, name):
        method = getattr(self._side, name)

        def call(*args, **kwargs):
            with self._lock:
                if name == self._method:
                    self._left -= 1
                dead, dies = self._left < 0, self._left == 0 and name == self._method
                if dies:
                    self._left -= 1
            if dead or (dies and not self._after):
                raise Crash
            result = method(*args, **kwargs)
            if dies:
                raise Crash
            return result

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before the call", "after it"])
@pytest.mark.parametrize(
    ("method", "nth"),
    [
        ("list_objects", 1),
        ("insert", 1),
        ("insert", 40),
        ("insert", 71),
        ("compose", 1),
        ("compose", 3),
        ("compose", 4),
    ],
)
def test_after_a_crash_only_what_is_missing_is_read_again(sides, method, nth, after):
    data = os.urandom(TWO_LEVELS)  # 71 parts, 3 nodes and the object: 4 compositions
    state = sides.put(data)
    with pytest.raises(Crash):
        sides.copy(state, destination=Crashing(sides.destination, method, nth, after))
    if method == "compose" and nth == 4 and after:
        assert sides.visible == data
        return
    assert sides.visible is None
    kept = sum(sides.destination.objects[DestinationName("replica", name)].state.size for name in sides.temporary)
    sides.source.read_bytes = 0
    sides.copy(state)
    assert sides.source.read_bytes == TWO_LEVELS - kept
    assert sides.visible == data
    assert sides.temporary == []


def test_a_node_whose_children_were_being_deleted_is_not_copied_again(sides):
    """A crash in the middle of a composition that deletes: the node is there, and so are some of its children."""
    data = os.urandom(TWO_LEVELS)
    state = sides.put(data)
    with pytest.raises(Crash):
        sides.copy(state, destination=Crashing(sides.destination, "compose", 2, after=True))
    tree = tree_for(state, NAME, sides.plan)
    node = next(node for node in map(tree.node, sides.temporary) if node.level == 1)
    attributes = Attributes(ContentHeaders(), {"check": "AAAA"})
    child = DestinationName("replica", tree.name(tree.children(node)[0]))
    sides.destination.insert(child, memoryview(data[:PART]), crc32c(data[:PART]), attributes, 0)
    sides.copy(state)
    assert sides.visible == data
    assert sides.temporary == []


def test_where_checks_are_too_long_for_a_node_its_parts_stay_and_only_what_is_gone_is_read_again(sides):
    """Ten digests a part: those of 32 parts have no room in one object's metadata."""
    data = os.urandom(TWO_LEVELS)
    state = sides.put(data, "MD5", their_part=PART // 10)
    with pytest.raises(Crash):
        sides.copy(state, destination=Crashing(sides.destination, "compose", 4))
    assert len(sides.temporary) == 64 + 3, "the last seven parts have room"
    gone = next(name for name in sides.temporary if name.endswith("/0-000003"))
    del sides.destination.objects[DestinationName("replica", gone)]
    sides.source.read_bytes = 0
    sides.copy(state)
    assert sides.source.read_bytes == PART
    assert (sides.visible, sides.temporary) == (data, [])


@pytest.mark.parametrize("metadata", [{}, {"check": "not base64!"}, {"check": "AAAAAAAAAAA="}])
def test_what_is_no_part_of_ours_under_a_part_s_name_does_no_harm(sides, metadata):
    """Too short, or without the check that every part has: it is made anew."""
    data = os.urandom(ONE_LEVEL)
    state = sides.put(data)
    sides.copy(state)
    tree = tree_for(state, NAME, sides.plan)
    junk = DestinationName("replica", tree.name(Node(0, 1)))
    content = b"junk" if "AAAAAAAAAAA=" in metadata.values() else os.urandom(PART)
    sides.destination.put_foreign(junk, content, metadata)
    sides.destination.put_foreign(DestinationName("replica", tree.prefix + "else"), b"junk")
    sides.copy(state, if_generation=sides.destination.stat(NAME).generation)
    assert sides.visible == data
    assert sides.temporary == []


def test_a_part_with_other_bytes_is_found_by_the_combined_checksum(sides):
    data = os.urandom(ONE_LEVEL)
    state = sides.put(data)
    with pytest.raises(Crash):
        sides.copy(state, destination=Crashing(sides.destination, "compose", 1))
    victim = DestinationName("replica", sides.temporary[2])
    metadata = dict(sides.destination.objects[victim].state.metadata)
    other = os.urandom(sides.destination.objects[victim].state.size)
    del sides.destination.objects[victim]
    sides.destination.put_foreign(victim, other, metadata | {"check": "AAAAAAAAAAA="})
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert (sides.visible, sides.temporary) == (None, [])
    sides.copy(state)
    assert sides.visible == data


def test_a_part_that_cloud_storage_holds_otherwise_than_sent_is_not_used(sides):
    data = os.urandom(ONE_LEVEL)
    state = sides.put(data)
    flips = [3]
    commit = sides.destination.commit

    def commit_flipped(name, data, checksum, attributes, if_generation):
        if name != NAME and not flips[0]:
            data = bytes([data[0] ^ 1]) + data[1:]
            checksum = crc32c(data)
        flips[0] -= 1
        return commit(name, data, checksum, attributes, if_generation)

    sides.destination.commit = commit_flipped
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert (sides.visible, sides.temporary) == (None, [])


def test_an_object_that_cloud_storage_composes_otherwise_is_not_left_behind(sides):
    state = sides.put(os.urandom(ONE_LEVEL))
    compose = sides.destination.compose

    def compose_less(name, components, *args, **kwargs):
        return compose(name, components[:-1], *args, **kwargs)

    sides.destination.compose = compose_less
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert (sides.visible, sides.temporary) == (None, [])


@pytest.mark.parametrize("nth", [1, 30, 70])
def test_a_source_that_is_overwritten_in_the_middle_is_not_mixed(sides, nth):
    state, reads = sides.put(os.urandom(TWO_LEVELS)), []

    def on_read(offset):
        reads.append(offset)
        if len(reads) == nth:
            sides.put(os.urandom(TWO_LEVELS))

    sides.source.on_read = on_read
    sides.workers._max_workers = 1  # so that a part is left to be opened after the change
    with pytest.raises(SourceMoved):
        sides.copy(state)
    assert len(reads) == nth
    assert (sides.visible, sides.temporary) == (None, [])


def test_a_destination_that_moved_keeps_what_it_has_and_the_parts_are_used_over_it(sides):
    data = os.urandom(TWO_LEVELS)
    state = sides.put(data)
    sides.destination.put_foreign(NAME, b"theirs")
    with pytest.raises(DestinationMoved):
        sides.copy(state)
    assert sides.visible == b"theirs"
    sides.source.read_bytes = 0
    sides.copy(state, if_generation=sides.destination.stat(NAME).generation)
    assert sides.source.read_bytes == 0
    assert (sides.visible, sides.temporary) == (data, [])


def test_no_parts_are_left_where_the_destination_has_the_same_bytes_with_older_metadata(sides):
    """What is left to be done there is to update the metadata."""
    data = os.urandom(ONE_LEVEL)
    older = sides.put(data)
    sides.copy(older)
    newer = replace(sides.put(data), etag=older.etag, metadata={"changed": "alone"})
    sides.source.objects[KEY] = newer, data
    with pytest.raises(DestinationMoved):
        sides.copy(newer)
    assert sides.temporary == []


def test_an_older_state_that_is_finished_takes_no_parts_from_a_newer_one(sides):
    """Both may be read at once where the bucket has versions: they are pinned by their version ids."""
    older = sides.put(os.urandom(TWO_LEVELS))
    newer_data = os.urandom(TWO_LEVELS)
    newer = sides.put(newer_data)
    with pytest.raises(Crash):
        sides.copy(newer, destination=Crashing(sides.destination, "insert", 60))
    kept = set(sides.temporary)
    sides.source.objects[KEY] = replace(older, checksum=None), os.urandom(TWO_LEVELS)
    sides.copy(replace(older, checksum=None))
    assert set(sides.temporary) == kept


@pytest.mark.parametrize("size", [ONE_LEVEL, TWO_LEVELS, THREE_LEVELS])
@pytest.mark.parametrize("copies", [2, 3])
def test_copies_at_once_write_once_and_leave_nothing(size, copies):
    sides = Sides()
    data = os.urandom(size)
    state = sides.put(data)
    at_once = threading.Barrier(copies)

    def copy(_):
        worker = Sides()
        worker.source, worker.destination = sides.source, sides.destination
        at_once.wait()
        try:
            return worker.copy(state)
        except DestinationMoved:
            return None
        finally:
            worker.workers.shutdown()

    with ThreadPoolExecutor(copies) as pool:
        written = list(pool.map(copy, range(copies)))
    assert len([object_ for object_ in written if object_]) == 1
    assert sides.visible == data
    assert sides.temporary == []
    sides.workers.shutdown()


def before_the_first(sides, method, event):
    """Runs `event` with the arguments of the first call of that method, before it is made."""
    original, left = getattr(sides.destination, method), [True]

    def call(*args, **kwargs):
        if left:
            left.clear()
            event(*args, **kwargs)
        return original(*args, **kwargs)

    setattr(sides.destination, method, call)


def test_a_part_that_is_gone_when_it_is_to_be_composed_is_copied_again_alone(sides):
    data = os.urandom(TWO_LEVELS)
    state = sides.put(data)
    before_the_first(sides, "compose", lambda name, components, *_, **__: sides.destination.discard(components[3]))
    sides.copy(state)
    assert sides.source.read_bytes == TWO_LEVELS + PART
    assert (sides.visible, sides.temporary) == (data, [])


def test_parts_that_are_gone_again_and_again_end_the_attempt(sides):
    state = sides.put(os.urandom(TWO_LEVELS))
    compose = sides.destination.compose

    def compose_too_late(name, components, *args, **kwargs):
        sides.destination.discard(components[0])
        return compose(name, components, *args, **kwargs)

    sides.destination.compose = compose_too_late
    with pytest.raises(Transient) as given_up:
        sides.copy(state)
    assert given_up.value.reason is Reason.CONTENTION
    assert sides.visible is None
    assert sides.temporary, "what others may use is left to them"


def test_a_copy_that_another_has_finished_meanwhile_is_not_begun_again(sides):
    state, other = sides.put(os.urandom(TWO_LEVELS)), Sides()
    other.source, other.destination, other.workers = sides.source, sides.destination, OneByOne()
    sides.workers.shutdown()
    sides.workers, inserted = OneByOne(), []
    insert = sides.destination.insert

    def insert_after_the_other(*args, **kwargs):
        inserted.append(args)
        if len(inserted) == 2:
            other.copy(state)
        return insert(*args, **kwargs)

    sides.destination.insert = insert_after_the_other
    with pytest.raises(DestinationMoved):
        sides.copy(state)
    assert sides.source.read_bytes <= 2 * TWO_LEVELS - PART, "the one part that the other has found is read again"
    assert sides.temporary == []


def test_parts_that_are_under_way_are_not_begun_again_when_another_copy_was_met(sides):
    data = os.urandom(TWO_LEVELS)
    state, looked = sides.put(data), threading.Event()
    find, finds = sides.destination.list_objects, []

    def note(*args):
        finds.append(args)
        found = find(*args)
        if len(finds) == 2:
            looked.set()
        return found

    sides.destination.list_objects = note
    before_the_first(sides, "insert", sides.destination.insert)
    reads = []

    def on_read(offset):
        reads.append(offset)
        if len(reads) > 1:
            assert looked.wait(10)

    sides.source.on_read = on_read
    sides.copy(state)
    assert sorted(reads) == [index * PART for index in range(71)]
    assert (sides.visible, sides.temporary) == (data, [])


def test_a_broken_read_of_a_part_resumes_where_it_broke(sides):
    data = os.urandom(300 * 1024)
    state = sides.put(data)
    breaks = [True]

    def on_read(offset):
        if offset >= 64 * 1024 and breaks:
            breaks.clear()
            raise Transient(Reason.SOURCE_UNAVAILABLE)

    sides.source.on_read = on_read
    sides.memory = Memory(16 * 200 * 1024)
    transfer = Transfer(
        sides.source,
        sides.destination,
        memory=sides.memory,
        workers=sides.workers,
        sizes=Sizes(10, 100, 200 * 1024, 200 * 1024),
    )
    plan = transfer.plan(state, NAME, RULE)
    transfer.copy(plan, state, NAME, attributes_of(state, Placement(), plan.checked), 0, Deadline.after(60))
    assert sides.visible == data
    assert sides.source.read_bytes == len(data)
    assert len(sides.source.opened_at) == 3


class Clock:
    """Every part that is read takes a second, and one is read after the other."""

    def __init__(self, sides):
        self.now = 0.0
        sides.source.on_read = self.tick
        sides.workers.shutdown()
        sides.workers = OneByOne()

    def tick(self, offset):
        self.now += 1

    def __call__(self):
        return self.now


def test_a_copy_that_will_not_be_finished_stops_in_time_and_keeps_its_parts(sides):
    data = os.urandom(TWO_LEVELS)
    state, clock = sides.put(data), Clock(sides)
    attempts, copied = 0, 0
    while True:
        attempts += 1
        began, deadline = clock.now, Deadline.after(50, clock)
        try:
            sides.copy(state, deadline=deadline)
            break
        except Unfinished as stopped:
            assert copied < stopped.copied < TWO_LEVELS
            assert stopped.size == TWO_LEVELS
            assert deadline.remaining >= 0
            assert clock.now > began
            copied = stopped.copied
        assert attempts < 10
    assert attempts == 2
    assert sides.visible == data
    assert sides.source.read_bytes == TWO_LEVELS
    assert sides.temporary == []


def test_at_the_end_of_the_process_a_copy_stops_in_time_and_keeps_its_parts(sides):
    state, clock = sides.put(os.urandom(TWO_LEVELS)), Clock(sides)
    ending = Ending(finishing=4, clock=clock)

    def on_read(offset):
        clock.tick(offset)
        if clock.now == 3:
            ending.announce()

    sides.source.on_read = on_read
    deadline = Deadline.after(1000, clock, ending)
    with pytest.raises(Unfinished) as stopped:
        sides.copy(state, deadline=deadline)
    assert 0 < stopped.value.copied < TWO_LEVELS
    assert 3 < clock.now <= 7
    assert deadline.remaining >= 0


def test_an_attempt_that_gets_nowhere_is_out_of_time(sides):
    state, clock = sides.put(os.urandom(TWO_LEVELS)), Clock(sides)
    deadline = Deadline.after(0.5, clock)
    clock.now = 1.0
    with pytest.raises(Transient) as late:
        sides.copy(state, deadline=deadline)
    assert late.value.reason is Reason.OUT_OF_TIME


def test_an_attempt_for_which_there_is_no_memory_is_over_budget(sides):
    state = sides.put(os.urandom(TWO_LEVELS))
    with sides.memory.borrow(20 * PART, Deadline.after(60)), pytest.raises(Transient) as late:
        sides.copy(state, deadline=Deadline.after(0.1))
    assert late.value.reason is Reason.OVER_BUDGET


def test_no_more_memory_is_used_than_the_budget_has(sides):
    state = sides.put(os.urandom(TWO_LEVELS))
    sides.memory = Memory(4 * PART)
    open_, most, lock = [0], [0], threading.Lock()
    insert = sides.destination.insert

    def counting(*args, **kwargs):
        with lock:
            open_[0] += 1
            most[0] = max(most[0], open_[0])
        try:
            return insert(*args, **kwargs)
        finally:
            with lock:
                open_[0] -= 1

    sides.destination.insert = counting
    sides.copy(state)
    assert 1 <= most[0] <= 4


def test_many_large_copies_at_once_share_one_budget_and_all_are_finished():
    sides = Sides()
    sides.memory = Memory(4 * PART)
    keys = [SourceKey("source", str(number)) for number in range(8)]
    states = [sides.source.put(key, os.urandom(40 * PART), checksum=None) for key in keys]
    transfer = Transfer(sides.source, sides.destination, memory=sides.memory, workers=sides.workers, sizes=SIZES)

    def copy(state):
        name = DestinationName("replica", state.key.key)
        plan = transfer.plan(state, name, RULE)
        attributes = attributes_of(state, Placement(), plan.checked)
        return transfer.copy(plan, state, name, attributes, 0, Deadline.after(60))

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(copy, states))) == 8
    for state in states:
        assert sides.destination.data(DestinationName("replica", state.key.key)) == sides.source.objects[state.key][1]
    assert sides.temporary == []
    sides.workers.shutdown()


def test_a_permanent_error_of_one_part_ends_the_copy(sides):
    state = sides.put(os.urandom(TWO_LEVELS))

    def refuse(*args, **kwargs):
        raise Permanent(Reason.DESTINATION_ACCESS_DENIED)

    sides.destination.insert = refuse
    with pytest.raises(Permanent):
        sides.copy(state)


def test_sweeping_ends_with_the_time(sides):
    """What is left is for the lifecycle rule: a success is not to be lost over it."""
    data = os.urandom(TWO_LEVELS)
    state, clock = sides.put(data, "MD5", their_part=PART // 10), Clock(sides)
    compose, deadline = sides.destination.compose, Deadline.after(1000, clock)

    def compose_last(name, *args, **kwargs):
        if name == NAME:
            clock.now = 999.9
        composed = compose(name, *args, **kwargs)
        if name == NAME:
            clock.now = 1001
        return composed

    sides.destination.compose = compose_last
    sides.copy(state, deadline=deadline)
    assert sides.visible == data
    assert sides.temporary


def test_temporary_objects_are_of_the_standard_class_under_the_rule_s_key_and_say_nothing_of_the_source(sides):
    data = os.urandom(ONE_LEVEL)
    state = replace(sides.put(data), metadata={"private": "1"})
    sides.source.objects[KEY] = state, data
    with pytest.raises(Crash):
        sides.copy(state, destination=Crashing(sides.destination, "compose", 1))
    for name in sides.temporary:
        attributes = sides.destination.objects[DestinationName("replica", name)].attributes
        assert attributes.placement == Placement("STANDARD", None)
        assert (attributes.headers, set(attributes.metadata)) == (ContentHeaders(), {"check"})
        assert (attributes.receipt, attributes.custom_time) == (None, None)
