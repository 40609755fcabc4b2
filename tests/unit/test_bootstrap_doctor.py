"""What the doctor asks of whom, and what it tells the judgements: by the rules, and by nothing else."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from replicator.adapters.inspection import gcs as gcs_inspection
from replicator.adapters.inspection import s3 as s3_inspection
from replicator.bootstrap import doctor as doctor_module
from replicator.bootstrap.doctor import Doctor, Visit
from replicator.doctor.deployment import Deployment
from replicator.doctor.facts import DestinationFacts, SourceFacts
from replicator.rules import SourceAccess
from tests.servers import forget_the_shell

DEPLOYMENT = Deployment("p", "europe-west1")
SECRET = "projects/p/secrets/media"
ROLE = "arn:aws:iam::111122223333:role/r"
RULES = f"""
- id: images
  source: {{bucket: media, prefix: images/, credentials: {SECRET}}}
  filter: {{tags: {{team: web}}}}
  destination: {{bucket: replica}}
- id: raw images
  source: {{bucket: media, prefix: images/, credentials: {SECRET}}}
  filter: {{prefix: images/raw/}}
  destination: {{bucket: raw}}
- id: logs
  source: {{bucket: logs, role: "{ROLE}", request_payer: true}}
  destination: {{bucket: replica, prefix: logs/}}
  deletes: propagate
- id: old
  status: disabled
  source: {{bucket: attic}}
  destination: {{bucket: attic-replica}}
"""


@dataclass
class Asked:
    """What each bucket was looked at with, and judged by."""

    sources: dict[str, tuple[SourceAccess, list[str]]] = field(default_factory=dict)
    readers: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, list[str]] = field(default_factory=dict)
    expected: Any = None


@pytest.fixture
def asked(monkeypatch, tmp_path) -> Asked:
    """The doctor's visit under these rules, with adapters that find nothing and judgements that say nothing."""
    asked = Asked()
    forget_the_shell(monkeypatch)
    variables = {"REPLICATION_RULES": RULES, "DEADLINE_SECONDS": "77", "AWS_REGION": "eu-west-1"}
    for name, value in {**variables, "STORAGE_EMULATOR_HOST": "http://127.0.0.1:1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)

    def aws(_settings, _identity):
        return lambda access: SimpleNamespace(s3=access, arn=lambda: str(access.role_arn))

    def look_at_source(access, bucket, prefixes):
        asked.sources[bucket] = access, prefixes
        return SourceFacts(bucket)

    def judge_source(facts, reader, _deployment):
        asked.readers[facts.bucket] = reader
        return []

    def judge_destination(facts, rules, _deployment):
        asked.rules[facts.bucket] = [rule.id for rule in rules]
        return []

    def judge_subscription(_name, _facts, expected, _deployment):
        asked.expected = expected
        return []

    monkeypatch.setattr(doctor_module, "connections", aws)
    monkeypatch.setattr(s3_inspection, "look_at", look_at_source)
    monkeypatch.setattr(gcs_inspection, "look_at", lambda _api, bucket: DestinationFacts(bucket))
    for judge in (judge_source, judge_destination, judge_subscription):
        monkeypatch.setattr(doctor_module, judge.__name__, judge)
    doctor = Doctor(Visit(service_url="https://replicator.example"))
    monkeypatch.setattr(doctor, "_pubsub", lambda: SimpleNamespace(look_at=lambda _name: None))
    wanted = ("s3://", "gs://", "projects/p/subscriptions")
    for examination in doctor._examinations(DEPLOYMENT):
        if examination.subject.startswith(wanted):
            assert list(examination.carry_out()) == []
    return asked


def test_each_source_bucket_is_read_with_the_keys_of_its_rules_and_where_they_look(asked):
    media, logs = SourceAccess(credentials_secret=SECRET), SourceAccess(role_arn=ROLE, request_payer=True)
    assert asked.sources == {"media": (media, ["images/", "images/raw/"]), "logs": (logs, [""])}


def test_each_source_is_judged_as_its_rules_read_it(asked):
    media, logs = asked.readers["media"], asked.readers["logs"]
    assert (media.by_tags, media.pays, logs.by_tags, logs.pays) == (True, False, False, True)
    assert (logs.arn, logs.region) == (ROLE, None), "a region for all buckets says nothing of one of several"


def test_each_destination_is_judged_by_the_rules_that_write_to_it_and_no_other(asked):
    assert asked.rules == {"replica": ["images", "logs"], "raw": ["raw images"]}


def test_the_subscription_is_judged_by_the_service_s_own_deadline_and_address(asked):
    assert (asked.expected.deadline, asked.expected.url) == (77, "https://replicator.example")
