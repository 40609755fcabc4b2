"""Durations of people: a number and a unit."""

from datetime import timedelta

UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}


def in_words(duration: timedelta) -> str:
    """In the largest unit of which it is one at least."""
    unit, length = next(((unit, length) for unit, length in UNITS.items() if duration >= length), ("s", UNITS["s"]))
    return f"{duration // length} {unit}"
