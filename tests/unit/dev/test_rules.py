"""The rules that a person gives the stack."""

import re

import pytest

from replicator.dev.errors import StackError
from replicator.dev.rules import ONE_RULE, read_rules


def test_every_bucket_of_the_rules_is_made_beside_the_usual_ones(tmp_path):
    file = tmp_path / "rules.yaml"
    file.write_text("rules: [{id: one, source: {bucket: media}, destination: {bucket: media-replica}}]")
    rules = read_rules(file)
    assert rules.source_buckets == {"source-bucket", "media"}
    assert rules.destination_buckets == {"replica-bucket", "media-replica"}
    assert rules.variables == {"REPLICATION_RULES": str(file)}


@pytest.mark.parametrize(
    ("source", "destination", "caveat"),
    [
        ("source-bucket", "replica-bucket", None),
        ("media", "replica-bucket", "No rule reads source-bucket, .* put objects into media."),
        ("media", "archive", "No rule reads source-bucket, .* put objects into media."),
        ("source-bucket", "archive", "No rule writes to replica-bucket, .* replicas appear in archive."),
    ],
)
def test_rules_that_leave_a_usual_bucket_out_are_told_to_the_person(tmp_path, source, destination, caveat):
    file = tmp_path / "rules.yaml"
    file.write_text(f"rules: [{{id: one, source: {{bucket: {source}}}, destination: {{bucket: {destination}}}}}]")
    said = read_rules(file).caveat
    assert said is None if caveat is None else re.fullmatch(caveat, said)


def test_without_rules_there_is_the_one(tmp_path):
    assert ONE_RULE.variables["TARGET_GCS_BUCKET"] == "replica-bucket"
    assert ONE_RULE.caveat is None


def test_rules_that_name_keys_are_told_to_the_person(tmp_path):
    file = tmp_path / "rules.yaml"
    source = "{bucket: source-bucket, credentials: projects/p/secrets/s}"
    file.write_text(f"rules: [{{id: keyed, source: {source}, destination: {{bucket: replica-bucket}}}}]")
    assert read_rules(file).caveat.endswith("from here, too: keyed.")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StackError, match=r"absent\.yaml: No such file"):
        read_rules(tmp_path / "absent.yaml")


def test_what_is_wrong_with_the_rules_is_said_before_anything_starts(tmp_path):
    (tmp_path / "rules.yaml").write_text("rules: [{id: one, source: {bucket: media}}]")
    with pytest.raises(StackError, match='rule "one": destination'):
        read_rules(tmp_path / "rules.yaml")
