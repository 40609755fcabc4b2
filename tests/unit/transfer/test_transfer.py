"""Paths `whole` and `stream` between in-memory sides: right content or a clean failure, nothing visible in between."""

import os
import threading
from dataclasses import replace

import pytest

from replicator.deadline import Deadline
from replicator.errors import DestinationMoved, SourceMoved, Transient
from replicator.fidelity import attributes_of
from replicator.model import Checksum, DestinationName, Placement, SourceKey
from replicator.reasons import Reason
from replicator.rules import Rule
from replicator.transfer import Sizes, Transfer, readahead
from replicator.transfer.readahead import DEPTH
from tests.fakes import InMemoryDestination, InMemorySource, crc32c

KEY = SourceKey("source", "k")
NAME = DestinationName("replica", "k")
UNIT = 256 * 1024
CHUNK = 64 * 1024
LARGE = 10 * UNIT + 1
SIZES = Sizes(whole_max=UNIT)
RULE = Rule("default", frozenset({"source"}), "replica")


class Sides:
    def __init__(self, monkeypatch) -> None:
        self.monkeypatch = monkeypatch
        self.source = InMemorySource("source")
        self.destination = InMemoryDestination({"replica"})

    def copy(self, state, if_generation=0, deadline=None):
        transfer = Transfer(self.source, self.destination, CHUNK, sizes=SIZES)
        self.plan = transfer.plan(state, NAME, RULE)
        attributes = attributes_of(state, Placement(), self.plan.checked)
        return transfer.copy(self.plan, state, NAME, attributes, if_generation, deadline or Deadline.after(60))

    @property
    def visible(self):
        return self.destination.data(NAME)


@pytest.fixture
def sides(monkeypatch):
    yield Sides(monkeypatch)
    assert not [thread for thread in threading.enumerate() if thread.name == "read-ahead"], "a reader was left behind"


@pytest.mark.parametrize(
    "size", [0, 1, UNIT - 1, UNIT, UNIT + 1, 2 * UNIT - 1, 2 * UNIT, 2 * UNIT + 1, 4 * UNIT + CHUNK, LARGE]
)
def test_every_size_arrives_byte_for_byte(sides, size):
    data = os.urandom(size)
    copied = sides.copy(sides.source.put(KEY, data))
    assert sides.visible == data
    assert sides.plan.path == ("whole" if size <= UNIT else "stream")
    assert copied.receipt.checked == "MD5"
    assert sides.source.read_bytes == size
    assert sides.source.opened_at == ([0] if size else [])


def test_an_object_without_a_checksum_of_its_own_says_so_in_its_receipt(sides):
    copied = sides.copy(sides.source.put(KEY, b"hello", checksum=None))
    assert copied.receipt.checked == "none"


@pytest.mark.parametrize("size", [10, LARGE])
def test_bytes_that_do_not_match_the_source_s_checksum_never_become_visible(sides, size):
    state = sides.source.put(KEY, b"x" * size)
    wrong = replace(state, checksum=Checksum("CRC64NVME", b"12345678"))
    sides.source.objects[KEY] = wrong, b"x" * size
    with pytest.raises(Transient) as caught:
        sides.copy(wrong)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert sides.visible is None


@pytest.mark.parametrize("size", [10, LARGE])
def test_an_object_that_ends_early_never_becomes_visible(sides, size):
    state = sides.source.put(KEY, b"x" * size)
    sides.source.objects[KEY] = state, b"x" * (size - 1)
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.SOURCE_TRUNCATED
    assert sides.visible is None


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_source_that_moved_before_the_read_is_not_copied(sides, size):
    state = sides.source.put(KEY, b"x" * size)
    sides.source.put(KEY, b"y" * size)
    with pytest.raises(SourceMoved):
        sides.copy(state)
    assert sides.visible is None


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_destination_that_moved_keeps_what_it_has(sides, size):
    state = sides.source.put(KEY, b"x" * size)
    sides.destination.put_foreign(NAME, b"theirs")
    with pytest.raises(DestinationMoved):
        sides.copy(state)
    assert sides.visible == b"theirs"


def break_once(sides, *offsets):
    """The read breaks when it comes to each of these offsets, once."""
    left = set(offsets)

    def on_read(offset):
        for point in sorted(left):
            if offset >= point:
                left.remove(point)
                raise Transient(Reason.SOURCE_UNAVAILABLE)

    sides.source.on_read = on_read


@pytest.mark.parametrize("point", [0, 5 * UNIT, LARGE - 1], ids=["first chunk", "middle chunk", "last chunk"])
def test_a_broken_read_resumes_where_it_broke(sides, point):
    data = os.urandom(LARGE)
    state = sides.source.put(KEY, data)
    break_once(sides, point)
    sides.copy(state)
    assert sides.visible == data
    assert sides.source.read_bytes == LARGE
    assert len(sides.source.opened_at) == 2


def test_a_source_that_is_overwritten_in_the_middle_of_a_broken_read_is_not_mixed(sides):
    state = sides.source.put(KEY, os.urandom(LARGE))

    def on_read(offset):
        if offset >= 5 * UNIT:
            sides.source.put(KEY, os.urandom(LARGE))
            raise Transient(Reason.SOURCE_UNAVAILABLE)

    sides.source.on_read = on_read
    with pytest.raises(SourceMoved):
        sides.copy(state)
    assert sides.visible is None


def test_a_read_that_brings_nothing_any_more_is_given_up(sides):
    state = sides.source.put(KEY, os.urandom(LARGE))

    def on_read(offset):
        if offset >= 5 * UNIT:
            raise Transient(Reason.SOURCE_UNAVAILABLE)

    sides.source.on_read = on_read
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.SOURCE_UNAVAILABLE
    assert sides.visible is None
    assert len(sides.source.opened_at) == 4


@pytest.mark.parametrize("kept", [0, 1 * UNIT, 5 * UNIT, 9 * UNIT])
def test_an_upload_that_was_persisted_in_part_goes_on_from_there(sides, kept):
    data = os.urandom(LARGE)
    state = sides.source.put(KEY, data)
    answers = iter([kept])
    sides.destination.on_append = lambda offset, length: next(answers, length)
    sides.copy(state)
    assert sides.visible == data
    assert sides.source.opened_at == [0, kept]


def test_an_upload_that_is_persisted_bit_by_bit_gets_there(sides):
    data = os.urandom(LARGE)
    state = sides.source.put(KEY, data)
    sides.destination.on_append = lambda offset, length: UNIT
    sides.copy(state)
    assert sides.visible == data


def test_an_upload_that_makes_no_progress_is_given_up(sides):
    state = sides.source.put(KEY, os.urandom(LARGE))
    sides.destination.on_append = lambda offset, length: 0
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.DESTINATION_UNAVAILABLE
    assert sides.visible is None


def test_a_stream_ends_at_its_deadline(sides):
    state = sides.source.put(KEY, os.urandom(LARGE))
    clock = iter(range(10_000))
    with pytest.raises(Transient) as caught:
        sides.copy(state, deadline=Deadline.after(3, clock=lambda: next(clock)))
    assert caught.value.reason is Reason.OUT_OF_TIME
    assert sides.visible is None


def test_a_silent_source_is_not_waited_for_beyond_the_deadline(sides):
    state = sides.source.put(KEY, os.urandom(LARGE))
    speak = threading.Event()

    def on_read(offset):
        if offset >= 5 * UNIT:
            assert speak.wait(10)

    sides.source.on_read = on_read
    cancel_wakes_the_source(sides, speak)
    with pytest.raises(Transient) as caught:
        sides.copy(state, deadline=Deadline.after(0.2))
    assert caught.value.reason is Reason.OUT_OF_TIME
    assert sides.visible is None


def cancel_wakes_the_source(sides, speak):
    """The reader's thread is joined on the way out: here the source speaks again when somebody wants to stop it."""
    stop = readahead._Reader.stop

    def stop_and_speak(reader):
        speak.set()
        stop(reader)

    sides.monkeypatch.setattr(readahead._Reader, "stop", stop_and_speak)


def test_a_whole_object_that_comes_too_late_is_not_written(sides):
    state = sides.source.put(KEY, b"hello")
    clock = iter([0, 5, 5, 5])
    with pytest.raises(Transient) as caught:
        sides.copy(state, deadline=Deadline.after(3, clock=lambda: next(clock)))
    assert caught.value.reason is Reason.OUT_OF_TIME
    assert sides.visible is None


def test_an_object_that_cloud_storage_holds_otherwise_than_sent_is_not_left_behind(sides):
    """It was given the checksum and should have refused; if it did not, the receipt would vouch for wrong bytes."""
    state = sides.source.put(KEY, os.urandom(LARGE))
    commit = sides.destination.commit

    def commit_flipped(name, data, checksum, attributes, if_generation):
        flipped = bytes([data[0] ^ 1]) + data[1:]
        return commit(name, flipped, crc32c(flipped), attributes, if_generation)

    sides.destination.commit = commit_flipped
    with pytest.raises(Transient) as caught:
        sides.copy(state)
    assert caught.value.reason is Reason.CHECKSUM_MISMATCH
    assert sides.visible is None


def test_reading_runs_ahead_of_a_slow_upload_and_no_further_than_its_buffers(sides):
    """While the upload holds its first chunk, the reader fills the other buffers, and then waits."""
    state = sides.source.put(KEY, os.urandom(LARGE))
    filled = threading.Event()
    read_while_held = []

    def on_read(offset):
        if offset >= (DEPTH - 1) * CHUNK:
            filled.set()

    sides.source.on_read = on_read
    begin = sides.destination.begin

    def begin_slow(*args):
        session = begin(*args)
        append = session.append

        def append_slowly(offset, length, chunks):
            def slowly():
                for number, chunk in enumerate(chunks):
                    if number == 0:
                        assert filled.wait(10), "the reader did not run ahead"
                        read_while_held.append(sides.source.read_bytes)
                    yield chunk

            return append(offset, length, slowly())

        session.append = append_slowly
        return session

    sides.destination.begin = begin_slow
    sides.copy(state)
    assert read_while_held[0] <= DEPTH * CHUNK
