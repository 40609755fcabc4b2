"""The rules that a person gives the stack."""

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


def test_without_rules_there_is_the_one(tmp_path):
    assert ONE_RULE.variables["TARGET_GCS_BUCKET"] == "replica-bucket"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StackError, match=r"absent\.yaml: No such file"):
        read_rules(tmp_path / "absent.yaml")


def test_what_is_wrong_with_the_rules_is_said_before_anything_starts(tmp_path):
    (tmp_path / "rules.yaml").write_text("rules: [{id: one, source: {bucket: media}}]")
    with pytest.raises(StackError, match='rule "one": destination'):
        read_rules(tmp_path / "rules.yaml")
