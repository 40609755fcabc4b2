"""Globs over object keys. A match takes time linear in the key, whatever the glob: keys come from strangers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

MAX_GLOB_LENGTH = 1024
"""Longest glob, in characters: as long as the longest key."""


class GlobError(ValueError):
    """The glob has no meaning; the text says where."""


@dataclass(frozen=True, slots=True)
class _Characters:
    """A set of characters: ranges, both ends included, or all but those. A slash is in it only if it is named alone."""

    ranges: tuple[tuple[str, str], ...]
    negated: bool = False
    slash: bool = False

    def __contains__(self, character: str) -> bool:
        if character == "/" and not self.slash:
            return False
        return any(low <= character <= high for low, high in self.ranges) is not self.negated


_NOT_SLASH = _Characters((), negated=True)
_ANY = _Characters((), negated=True, slash=True)


class _Step(NamedTuple):
    """One character of a set; or any number of them, which may have to end where a path segment begins.

    Such a one may stand for none only where a segment begins already, which is what `**/` means in both places.
    """

    characters: _Characters
    repeated: bool = False
    to_segment: bool = False


class Glob:
    """Matches a whole key.

    `*` stands for any characters but `/`, `?` for one of them, `**` for any characters; `**/` at the beginning or after
    a `/` stands for any number of whole path segments, none included. `[abc]`, `[a-z]` and `[!a-z]` stand for one
    character, never `/`. A backslash takes the meaning from the character after it.

    Every step of the glob is one bit, and all the steps a match may have got to are advanced together, character by
    character (Thompson's simulation): nothing is ever tried twice, as a backtracking regular expression would.
    """

    def __init__(self, text: str) -> None:
        """Raises `GlobError`."""
        steps = _parse(text)
        self._steps = steps
        self._end = 1 << len(steps)
        self._runs = _bits(step.repeated and not step.to_segment for step in steps)
        self._directories = _bits(step.to_segment for step in steps)
        self._advances = lru_cache(maxsize=1024)(self._computed_advances)

    def matches(self, key: str) -> bool:
        alive = self._passing(1, at_segment=True)
        for character in key:
            stays, moves = self._advances(character)
            alive = self._passing((alive & stays) | (alive & moves) << 1, at_segment=character == "/")
            if not alive:
                return False
        return bool(alive & self._end)

    def _passing(self, alive: int, *, at_segment: bool) -> int:
        """Adds the steps that are got to without a character, for a repeated step may stand for none."""
        if at_segment:
            alive |= (alive & self._directories) << 1
        return alive | (alive & self._runs) << 1

    def _computed_advances(self, character: str) -> tuple[int, int]:
        """The steps that a character stays at, and those that it takes one further."""
        return (
            _bits(step.repeated and character in step.characters for step in self._steps),
            _bits(not step.repeated and character in step.characters for step in self._steps),
        )


_TOKEN = re.compile(
    r"(?P<directories>(?:\*\*+/)+)|(?P<any>\*\*+)|(?P<run>\*)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?+)(?P<set>(?:\\.|[^]\\])+)]|\\(?P<escaped>.)|(?P<literal>[^[\\])",
    re.DOTALL,
)
_MEMBER = re.compile(r"(?P<low>\\.|[^\\])(?:-(?P<high>\\.|[^\\]))?", re.DOTALL)


def _parse(text: str) -> tuple[_Step, ...]:
    if len(text) > MAX_GLOB_LENGTH:
        raise GlobError(f"is longer than {MAX_GLOB_LENGTH} characters")
    steps, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if token is None:
            problem = "a `[` without its `]`, or nothing between them" if text[position] == "[" else "a `\\` at the end"
            raise GlobError(f"has {problem}, at character {position + 1}")
        steps.append(_step(token))
        position = token.end()
    return tuple(steps)


def _step(token: re.Match[str]) -> _Step:
    if token["directories"]:
        return _Step(_ANY, repeated=True, to_segment=True)
    if token["any"]:
        return _Step(_ANY, repeated=True)
    if token["run"]:
        return _Step(_NOT_SLASH, repeated=True)
    if token["one"]:
        return _Step(_NOT_SLASH)
    if token["set"]:
        return _Step(_Characters(tuple(map(_range, _MEMBER.finditer(token["set"]))), negated=bool(token["not"])))
    character = token["escaped"] or token["literal"]
    return _Step(_Characters(((character, character),), slash=True))


def _range(member: re.Match[str]) -> tuple[str, str]:
    low = member["low"][-1]
    high = member["high"][-1] if member["high"] else low
    if "/" in (low, high):
        raise GlobError("has a `/` between `[` and `]`, which stand for one character within a path segment")
    if low > high:
        raise GlobError(f"has a range that ends before it begins, {low}-{high}")
    return low, high


def _bits(flags: Iterable[bool]) -> int:
    """A number whose bit n is the n-th flag."""
    return sum(1 << position for position, flag in enumerate(flags) if flag)
