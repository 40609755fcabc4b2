"""Every text of the page has the contrast that WCAG 2.2 asks for (AA, 4.5 to 1), in both colour schemes."""

import re

import pytest

from replicator.dev.page.assets import FOLDER

CSS = (FOLDER / "page.css").read_text()
BLOCKS = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
LIGHT, DARK = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in BLOCKS)

PAIRS = [
    *((text, ground) for text in ("text", "muted") for ground in ("page", "surface", "raised")),
    *((tone, f"{tone}-tint") for tone in ("good", "info", "warn", "bad", "quiet")),
    *((tone, ground) for tone in ("good", "warn", "bad") for ground in ("page", "surface")),
    ("text", "warn-tint"),
    ("on-accent", "accent"),
    ("page", "text"),
]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_both_schemes_name_the_same_colours():
    assert LIGHT.keys() == DARK.keys()


@pytest.mark.parametrize(("text", "ground"), PAIRS)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(scheme, text, ground):
    assert contrast(scheme[text], scheme[ground]) >= 4.5
