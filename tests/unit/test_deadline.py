"""A deadline is a point in time: it has passed, or it has not."""

import time

import pytest

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.reasons import Reason
from tests.fakes import Clock


@pytest.fixture
def clock():
    return Clock()


def test_what_remains_shrinks_as_time_goes_by_and_becomes_negative(clock):
    deadline = Deadline.after(10, clock)
    assert deadline.remaining == 10
    clock.advance(4)
    assert deadline.remaining == 6
    clock.advance(7)
    assert deadline.remaining == -1


def test_its_clock_is_one_that_nobody_sets():
    assert Deadline.after(60).clock is time.monotonic


def test_before_the_deadline_a_check_passes(clock):
    deadline = Deadline.after(10, clock)
    clock.advance(9.9)
    deadline.check()


@pytest.mark.parametrize("late", [0, 0.1, 100])
def test_from_the_deadline_on_a_check_fails(clock, late):
    deadline = Deadline.after(10, clock)
    clock.advance(10 + late)
    with pytest.raises(Transient) as passed:
        deadline.check()
    assert passed.value.reason is Reason.OUT_OF_TIME


def test_time_is_the_clocks_that_never_goes_back():
    assert 59 < Deadline.after(60).remaining <= 60
