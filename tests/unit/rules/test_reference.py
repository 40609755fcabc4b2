"""docs/rules.md says what the rules are."""

import re
from pathlib import Path

from replicator.model import SourceKey
from replicator.rules import Glob, parse_rules
from replicator.rules.document import _RuleDocument

REFERENCE = (Path(__file__).parents[3] / "docs/rules.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)


def sent(source: str) -> set[str]:
    bucket, _, key = source.removeprefix("s3://").partition("/")
    rules = parse_rules(EXAMPLES[0])
    return {str(assignment.destination) for assignment in rules.assignments(SourceKey(bucket, key))}


def test_the_example_is_right_and_does_what_the_reference_says():
    assert len(EXAMPLES) == 1
    assert len(parse_rules(EXAMPLES[0]).rules) == 3
    [paragraph] = re.findall(r"^`s3://.*?\n\n", REFERENCE, re.MULTILINE | re.DOTALL)
    first, second = paragraph.split(";")
    for sentence in (first, second):
        source, *destinations = re.findall(r"`([^`]+)`", sentence)
        assert sent(source) == set(destinations)


def test_the_table_of_fields_has_every_field_and_no_other():
    named = {
        name for row in re.findall(r"^\| (`.*?) \|", REFERENCE, re.MULTILINE) for name in re.findall("`([^`]+)`", row)
    }
    nested = {"source", "filter", "destination"}
    existing = set(_RuleDocument.model_fields) - nested
    for name in nested:
        existing |= {f"{name}.{field}" for field in _RuleDocument.model_fields[name].annotation.model_fields}
    assert existing - {"source.buckets"} <= named
    assert "`source.buckets`" in REFERENCE
    assert {name for name in named if name.partition(".")[0] in nested} <= existing


def test_the_glob_that_the_reference_explains_matches_what_it_says():
    assert all(map(Glob("a/**/b").matches, ["a/b", "a/x/b", "a/x/y/b"]))
    assert not Glob("a/**/b").matches("a/xb")
