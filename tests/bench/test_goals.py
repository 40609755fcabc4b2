"""The goals are judged by ratios within a round."""

import pytest

from tests.bench.figures import group, results, sample
from tests.bench.goals import Goal, Peak, Ratio, RoundTrips, cpu, goals, speed
from tests.bench.network import DISTANT, LOOPBACK
from tests.bench.results import Results
from tests.bench.ways.known import known_ways
from tests.bench.works import works


def test_a_ratio_is_taken_in_each_round_and_the_median_counts():
    """The rounds differ by a factor of ten; within each the ratio is clear."""
    measured = results(
        group(
            "one-1gib",
            LOOPBACK,
            ours=[sample(1, 0.4), sample(10, 4), sample(2, 1)],
            rclone=[sample(2, 0.8), sample(15, 8), sample(2, 1)],
        )
    )
    quotient = Ratio(speed, "one-1gib", LOOPBACK, "ours", "rclone").of(measured)
    assert (quotient.median, quotient.low, quotient.high) == (1.5, 1, 2)
    assert Ratio(cpu, "one-1gib", LOOPBACK, "ours", "rclone").of(measured).median == 0.5


def test_memory_and_round_trips_are_medians():
    taken = [sample(1, peak_mib=megabytes, round_trips=trips) for megabytes, trips in ((200, 4), (300, 5), (210, 4))]
    measured = results(group("one-small", DISTANT, ours=taken))
    assert Peak("one-small", DISTANT, "ours").of(measured).median == 210
    assert RoundTrips("one-small", DISTANT, "ours").of(measured).median == 4


@pytest.mark.parametrize(
    ("bound", "at_least", "reached"), [(2, True, True), (2.01, True, False), (2, False, True), (1.99, False, False)]
)
def test_a_goal_is_reached_on_the_right_side_of_its_bound(bound, at_least, reached):
    goal = Goal("", "", "ours", Ratio(speed, "w", LOOPBACK, "ours", "rclone"), bound, at_least)
    measured = goal.measure.of(results(group("w", LOOPBACK, ours=[sample(1)], rclone=[sample(2)])))
    assert goal.reached(measured) is reached


def test_without_the_other_way_there_is_no_ratio():
    assert Ratio(speed, "w", LOOPBACK, "ours", "rclone").of(results(group("w", LOOPBACK, ours=[sample(1)]))) is None
    assert Ratio(speed, "w", LOOPBACK, "ours", "rclone").of(Results()) is None


def test_each_goal_is_about_something_that_is_measured():
    for goal in goals():
        named = {getattr(goal.measure, name, None) for name in ("way", "other")} - {None}
        assert {goal.way, *named} <= set(known_ways())
        if work := getattr(goal.measure, "work", None):
            assert named <= set(works(quick=False)[work].ways)
            assert goal.measure.network in works(quick=False)[work].at_once


def test_every_work_names_ways_that_there_are():
    for quick in (False, True):
        for work in works(quick=quick).values():
            assert set(work.ways) <= set(known_ways())
