"""Round trips are counted from what the links saw."""

from tests.bench.turns import Turn, in_sequence


def turn(began: float, ended: float) -> Turn:
    return Turn(began, ended, connection=False)


def test_no_turns_are_no_round_trips():
    assert in_sequence([]) == 0


def test_turns_that_waited_for_each_other_count_each():
    assert in_sequence([turn(0, 1), turn(1, 2), turn(2.5, 3.5)]) == 3


def test_turns_side_by_side_count_once():
    assert in_sequence([turn(0, 1), turn(0.1, 1.1), turn(0.9, 1.9)]) == 1


def test_a_long_answer_does_not_hide_short_ones_beside_it():
    assert in_sequence([turn(0, 10), turn(1, 2), turn(3, 4)]) == 2


def test_the_order_in_which_the_links_tell_does_not_matter():
    turns = [turn(2, 3), turn(0, 1), turn(0.5, 1.5), turn(1, 2)]
    assert in_sequence(turns) == in_sequence(sorted(turns)) == 3
