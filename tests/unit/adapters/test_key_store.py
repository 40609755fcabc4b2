"""Keys that are kept fresh: when they are read, by how many threads, and what happens while they cannot be read."""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Event, Lock, get_ident

import pytest

from replicator.adapters.key_store import RETRY_AFTER, RefreshedKeys
from replicator.errors import Transient
from replicator.model import AwsKeys
from replicator.reasons import Reason

MAX_AGE = 300
OLD = AwsKeys("AKIAOLD", "old-secret")
NEW = AwsKeys("AKIANEW", "new-secret", "new-token")
DOWN = Transient(Reason.CREDENTIALS_UNAVAILABLE, "the reader's own words")


class Reader:
    """Where keys are read from: `keys`, or an error to raise; `before` runs within each read."""

    def __init__(self, keys: AwsKeys | Transient) -> None:
        self.keys = keys
        self.reads = 0
        self.before = lambda: None

    def __call__(self) -> AwsKeys:
        self.reads += 1
        found = self.keys
        self.before()
        if isinstance(found, Transient):
            raise found
        return found


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Pause:
    """Holds a read up until it is told to go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = Event(), Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.go_on.wait(10)


@pytest.fixture
def reader():
    return Reader(OLD)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def keys(reader, clock):
    return RefreshedKeys(reader, MAX_AGE, clock)


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_nothing_is_read_before_keys_are_needed(reader, keys):
    assert reader.reads == 0


def test_keys_come_from_memory_while_they_are_fresh(reader, keys, clock):
    assert keys.current() == OLD
    reader.keys = NEW
    clock.now += MAX_AGE - 1
    assert keys.current() == OLD
    assert reader.reads == 1


def test_keys_that_are_no_longer_fresh_are_read_again(reader, keys, clock):
    keys.current()
    reader.keys = NEW
    clock.now += MAX_AGE
    assert keys.current() == NEW
    clock.now += MAX_AGE - 1
    keys.current()
    assert reader.reads == 2


def test_known_keys_stay_in_use_while_they_cannot_be_read(reader, keys, clock):
    keys.current()
    reader.keys = DOWN
    clock.now += MAX_AGE
    assert keys.current() == OLD


def test_a_reader_that_failed_is_not_asked_for_known_keys_again_at_once(reader, keys, clock):
    keys.current()
    reader.keys = DOWN
    clock.now += MAX_AGE
    for _ in range(5):
        keys.current()
    clock.now += RETRY_AFTER - 1
    keys.current()
    assert reader.reads == 2
    reader.keys = NEW
    clock.now += 1
    assert keys.current() == NEW


def test_a_read_that_failed_is_not_put_off_longer_than_one_that_did_not(clock):
    reader = Reader(OLD)
    keys = RefreshedKeys(reader, RETRY_AFTER / 2, clock)
    keys.current()
    reader.keys = DOWN
    clock.now += RETRY_AFTER / 2
    keys.current()
    reader.keys = NEW
    clock.now += RETRY_AFTER / 2
    assert keys.current() == NEW


def test_each_failure_that_known_keys_outlive_is_one_warning(reader, keys, clock, caplog):
    keys.current()
    reader.keys = DOWN
    clock.now += MAX_AGE
    for _ in range(5):
        keys.current()
    (line,) = caplog.records
    assert (line.name, line.levelno) == ("replicator.adapters.key_store", logging.WARNING)
    assert line.json_fields == {"reason": "credentials_unavailable", "detail": "the reader's own words"}


def test_without_known_keys_the_failure_is_the_callers_and_the_reader_is_asked_again(reader, keys, caplog):
    reader.keys = DOWN
    with pytest.raises(Transient) as down:
        keys.current()
    assert (down.value.reason, down.value.detail) == (DOWN.reason, DOWN.detail)
    assert caplog.records == []
    reader.keys = OLD
    assert keys.current() == OLD


# --- Several threads --------------------------------------------------------------------------------------------------


class CountingLock:
    """A lock that knows which threads came for it while it was taken."""

    def __init__(self) -> None:
        self.lock, self.arrived, self.changed = Lock(), [], Condition()

    def acquire(self, blocking: bool = True) -> bool:
        if self.lock.acquire(blocking=False):
            return True
        if blocking:
            with self.changed:
                self.arrived.append(get_ident())
                self.changed.notify_all()
            return self.lock.acquire()
        return False

    def release(self) -> None:
        self.lock.release()

    def __enter__(self):
        return self.acquire()

    def __exit__(self, *_) -> None:
        self.release()


def in_line(keys: RefreshedKeys, count: int) -> None:
    """Returns once so many threads wait for the one that reads."""
    with keys._lock.changed:
        assert keys._lock.changed.wait_for(lambda: len(keys._lock.arrived) == count, 10)


@pytest.fixture
def watched(keys):
    keys._lock = CountingLock()
    return keys


def test_one_thread_reads_while_the_others_wait(reader, watched):
    reader.before = pause = Pause()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(watched.current)
        assert pause.reached.wait(10)
        others = [pool.submit(watched.current) for _ in range(7)]
        in_line(watched, 7)
        assert not any(other.done() for other in others)
        pause.go_on.set()
        assert {future.result(10) for future in (first, *others)} == {OLD}
    assert reader.reads == 1


def test_threads_that_wait_together_for_a_reader_that_is_down_do_not_ask_it_one_after_another(reader, watched):
    reader.keys, reader.before = DOWN, (pause := Pause())
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(watched.current)
        assert pause.reached.wait(10)
        others = [pool.submit(watched.current) for _ in range(7)]
        in_line(watched, 7)
        pause.go_on.set()
        assert {str(future.exception(10)) for future in (first, *others)} == {str(DOWN)}
    # The first read may have begun too early for those who came after it; one more is for all of them.
    assert reader.reads == 2


def test_known_keys_are_used_while_one_thread_reads_them_again(reader, keys, clock):
    keys.current()
    reader.keys, reader.before = NEW, (pause := Pause())
    clock.now += MAX_AGE
    with ThreadPoolExecutor(1) as pool:
        refreshing = pool.submit(keys.current)
        assert pause.reached.wait(10)
        assert keys.current() == OLD
        pause.go_on.set()
        assert refreshing.result(10) == NEW
    assert keys.current() == NEW


def test_threads_whose_keys_were_rejected_together_read_once(reader, keys):
    keys.current()
    reader.keys = NEW
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: keys.renew(OLD), range(8)))
    assert reader.reads == 2
    assert keys.current() == NEW


def test_a_read_that_began_before_the_rejection_may_be_out_of_date_and_is_not_relied_on(reader, watched, clock):
    watched.current()
    reader.before = pause = Pause()
    clock.now += MAX_AGE
    with ThreadPoolExecutor(2) as pool:
        refreshing = pool.submit(watched.current)
        assert pause.reached.wait(10)  # it has the old keys in its hands already
        reader.keys = NEW
        renewing = pool.submit(watched.renew, OLD)
        in_line(watched, 1)
        pause.go_on.set()
        assert refreshing.result(10) == OLD
        assert renewing.result(10) is True
    assert watched.current() == NEW


# --- Renewing ---------------------------------------------------------------------------------------------------------


def test_rejected_keys_are_read_again_although_they_are_fresh(reader, keys):
    keys.current()
    reader.keys = NEW
    assert keys.renew(OLD) is True
    assert keys.current() == NEW


def test_a_renewal_that_finds_the_same_keys_says_so(reader, keys):
    keys.current()
    assert keys.renew(OLD) is False
    assert reader.reads == 2


def test_keys_that_are_not_in_use_any_more_are_not_read_again(reader, keys):
    keys.current()
    assert keys.renew(NEW) is True
    assert reader.reads == 1


def test_a_renewal_never_raises_and_keeps_what_is_known(reader, keys):
    keys.current()
    reader.keys = DOWN
    assert keys.renew(OLD) is False
    assert keys.current() == OLD
