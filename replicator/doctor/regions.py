"""How far apart two places are, by their names."""

import re

CONTINENTS = (
    ("America", r"(us|ca|mx|northamerica)-.+|us|nam\d+"),
    ("South America", r"(sa|southamerica)-.+"),
    ("Europe", r"(eu|europe)-.+|eu|eur\d+"),
    ("Middle East and Africa", r"(me|il|af|africa)-.+"),
    ("Asia and Australia", r"(ap|cn|asia|australia)-.+|asia|asia\d+|in"),
)
"""By the names of AWS's regions, of Google's, and of Cloud Storage's multi-regions and dual-regions
(https://cloud.google.com/storage/docs/locations)."""


def continent(place: str) -> str | None:
    """`None` where the name says nothing."""
    return next((name for name, pattern in CONTINENTS if re.fullmatch(pattern, place.lower())), None)


def far_apart(place: str | None, other: str | None) -> bool:
    """Whether they are known to be on different continents."""
    one, two = (continent(name) if name else None for name in (place, other))
    return one is not None and two is not None and one != two


def is_region(place: str) -> bool:
    """Whether it is one region of Google's, and not several."""
    return re.fullmatch(r"[a-z]+-[a-z]+\d+", place.lower()) is not None
