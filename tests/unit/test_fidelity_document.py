"""docs/fidelity.md forgets no property of S3, and says of each name what the code does."""

import re
from pathlib import Path

import botocore.session
import pytest

from replicator import fidelity
from replicator.model import NotHeld
from replicator.receipt import METADATA_KEY

DOCUMENT = (Path(__file__).parents[2] / "docs/fidelity.md").read_text()
LIMITS = {fidelity.MAX_CUSTOM_METADATA: "8 KiB of custom metadata", fidelity.MAX_VALUE: "4 KiB in one value"}


def section(heading: str) -> str:
    return DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def first_columns(text: str) -> str:
    return "\n".join(line.split("|")[1] for line in text.splitlines() if line.startswith("| "))


def members(shape: str) -> set[str]:
    model = botocore.session.Session().get_service_model("s3")
    return set(model.shape_for(shape).members)


def named() -> list[str]:
    where = section("Where each property goes")
    answers_own = re.search(r"^Not of the object.*$", where, re.MULTILINE)[0]
    return re.findall(r"`(\w+)`", first_columns(where) + answers_own)


@pytest.mark.parametrize("shape", ["HeadObjectOutput", "GetObjectOutput"])
def test_every_property_that_s3_answers_with_has_its_place(shape):
    assert members(shape) - {"Body"} - set(named()) == set()


def test_each_has_one_place_only_and_nothing_is_made_up():
    assert sorted(named()) == sorted(members("HeadObjectOutput"))


def test_everything_that_may_not_be_held_is_listed_and_nothing_else():
    assert re.findall(r"`([\w-]+)`", first_columns(section("What is not held"))) == ["not_held", *sorted(NotHeld)]


@pytest.mark.parametrize("name", sorted(fidelity.OUR_KEYS))
def test_our_own_custom_metadata_is_named(name):
    assert f"custom metadata `{name}`" in section("Where each property goes")


def test_our_own_names_are_all_of_ours():
    ours = {value for name, value in vars(fidelity).items() if name.endswith("_KEY")}
    assert ours == fidelity.OUR_KEYS
    assert METADATA_KEY in ours


@pytest.mark.parametrize(("limit", "words"), LIMITS.items())
def test_the_limits_are_those_of_the_code(limit, words):
    assert words in section("What is not held")
    assert f"{limit // 1024} KiB" in words
