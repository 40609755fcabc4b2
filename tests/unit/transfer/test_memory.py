"""The memory budget: never exceeded, handed out in order, and nobody waits for ever."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.reasons import Reason
from replicator.transfer.memory import MAPPED_FROM, Memory

LONG = 30.0


def borrow(memory, size, seconds=LONG):
    return memory.borrow(size, Deadline.after(seconds))


@pytest.mark.parametrize("size", [0, 1, 1000, MAPPED_FROM, MAPPED_FROM + 1])
def test_a_loan_has_the_size_that_was_asked_for(size):
    with borrow(Memory(4 * MAPPED_FROM), size) as buffer:
        assert len(buffer) == size
        buffer[:] = b"x" * size


def test_what_does_not_come_free_in_time_is_over_budget():
    memory = Memory(1000)
    with borrow(memory, 600), pytest.raises(Transient) as late:
        borrow(memory, 401, seconds=0.05)
    assert late.value.reason is Reason.OVER_BUDGET
    with borrow(memory, 1000):
        pass


def test_what_a_failed_borrower_held_is_free_again():
    memory = Memory(1000)
    with pytest.raises(ZeroDivisionError), borrow(memory, 1000):
        raise ZeroDivisionError
    with borrow(memory, 1000, seconds=0):
        pass


def test_more_than_the_budget_is_lent_to_one_alone():
    memory = Memory(1000)
    with borrow(memory, 5000) as buffer:
        assert len(buffer) == 5000
        with pytest.raises(Transient):
            borrow(memory, 1, seconds=0.05)
    with borrow(memory, 1), pytest.raises(Transient):
        borrow(memory, 5000, seconds=0.05)


def waiting(memory, count):
    """Returns once so many wait in line."""
    for _ in range(10_000):
        with memory._change:
            if len(memory._waiting) == count:
                return
        threading.Event().wait(0.001)
    raise AssertionError("nobody waits")


def test_a_large_request_is_served_before_the_small_ones_that_came_after_it():
    memory, served = Memory(100), []
    first = borrow(memory, 60)

    def take(size):
        with borrow(memory, size):
            served.append(size)

    with ThreadPoolExecutor(3) as pool:
        for count, size in enumerate([100, 10, 20], start=1):
            pool.submit(take, size)
            waiting(memory, count)
        assert served == [], "10 bytes were free, but not their turn"
        with first:
            pass
    assert served[0] == 100


def test_whoever_gives_up_waiting_lets_the_next_one_pass():
    memory = Memory(100)
    with borrow(memory, 60), ThreadPoolExecutor(2) as pool:
        impatient = pool.submit(borrow, memory, 100, 0.2)
        waiting(memory, 1)
        with borrow(memory, 10):
            pass
        assert impatient.exception().reason is Reason.OVER_BUDGET


def test_many_borrowers_at_once_stay_within_the_budget_and_all_are_served():
    """As in the service: each borrows once and returns. With a cycle of waiting this would not end."""
    sizes = [random.Random(number).choice([1, 10, 400, 999, 1000, 5000]) for number in range(600)]
    memory, lent, most, lock = Memory(1000), [0], [0], threading.Lock()

    def work(size):
        with borrow(memory, size):
            with lock:
                lent[0] += min(size, 1000)
                most[0] = max(most[0], lent[0])
            with lock:
                lent[0] -= min(size, 1000)
        return size

    with ThreadPoolExecutor(32) as pool:
        assert sum(pool.map(work, sizes)) == sum(sizes)
    assert 0 < most[0] <= 1000


def test_large_buffers_are_used_again_and_what_is_kept_counts():
    memory = Memory(4 * MAPPED_FROM)
    with borrow(memory, 2 * MAPPED_FROM) as buffer:
        buffer[:4] = b"mark"
    with borrow(memory, 2 * MAPPED_FROM) as buffer:
        assert buffer[:4] == b"mark"
    assert held(memory) == 2 * MAPPED_FROM
    with borrow(memory, 3 * MAPPED_FROM):
        assert held(memory) == 0, "what is lent and what is kept are more than the budget"
    with borrow(memory, MAPPED_FROM) as one, borrow(memory, MAPPED_FROM) as other:
        one[:4], other[:4] = b"1111", b"2222"
        assert one[:4] == b"1111"
    assert held(memory) <= 4 * MAPPED_FROM


def held(memory):
    return sum(map(len, memory._kept))


def test_a_buffer_that_cannot_be_made_costs_nothing(monkeypatch):
    memory = Memory(4 * MAPPED_FROM)

    def exhausted(*_):
        raise OSError(12, "Cannot allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr("replicator.transfer.memory.mmap.mmap", exhausted)
        for _ in range(5):
            with pytest.raises(OSError, match="allocate"):
                borrow(memory, MAPPED_FROM)
    with borrow(memory, 4 * MAPPED_FROM, seconds=0):
        pass
