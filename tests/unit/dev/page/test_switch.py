import pytest

from replicator.dev.cloud_storage import Answer, Faults, LoseAnswer
from replicator.dev.page.switch import POSITIONS, FaultSwitch


def test_it_begins_switched_off():
    state = FaultSwitch(Faults()).state
    assert (state["position"], state["struck"]) == ("off", 0)
    assert [position["name"] for position in state["positions"]] == [position.name for position in POSITIONS]


def test_a_position_replaces_the_one_before():
    faults = Faults()
    switch = FaultSwitch(faults)
    switch.turn("lost-answers")
    switch.turn("down")
    assert {type(fault.action) for fault in faults.pending} == {Answer}
    switch.turn("off")
    assert faults.pending == []


def test_it_counts_the_requests_since_it_was_turned():
    faults = Faults()
    switch = FaultSwitch(faults)
    switch.turn("down")
    assert faults.take("POST", "/", None) == Answer(503)
    assert faults.take("GET", "/", None) is None
    assert switch.state["struck"] == 1
    switch.turn("lost-answers")
    assert switch.state["struck"] == 0
    assert [faults.take("PUT", "/", None) for _ in range(4)] == [LoseAnswer(), None, None, LoseAnswer()]


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: position.name)
def test_no_fault_hits_reading_which_the_page_itself_does(position):
    faults = Faults()
    FaultSwitch(faults).turn(position.name)
    assert faults.take("GET", "/storage/v1/b/bucket/o", None) is None


def test_there_is_no_other_position():
    with pytest.raises(KeyError):
        FaultSwitch(Faults()).turn("sideways")
