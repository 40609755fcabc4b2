"""What a link saw of a conversation, as turns: somebody asks, and the first byte of the answer arrives."""

from collections.abc import Iterable
from typing import NamedTuple


class Turn(NamedTuple):
    """`began` and `ended` are seconds of this machine's monotonic clock, the same for every process.

    A `connection` has a turn of its own: TCP's handshake.
    """

    began: float
    ended: float
    connection: bool


def in_sequence(turns: Iterable[Turn]) -> int:
    """The most turns of which each began when the one before had ended: the round trips that had to be waited for."""
    count, free = 0, float("-inf")
    for turn in sorted(turns, key=lambda turn: turn.ended):
        if turn.began >= free:
            count, free = count + 1, turn.ended
    return count
