"""Which events the rule lets through, as deployed, for each file of tests/events/eventbridge."""

import json
from functools import cache
from pathlib import Path

import boto3
import pytest
from moto.events.models import EventPattern

from replicator.events import parse_document
from replicator.events.eventbridge import CHANGES
from replicator.model import Change
from tests.deploy.aws_stacks import REPLICATOR, made, resolved

FILES = sorted((Path(__file__).parents[1] / "events" / "eventbridge").glob("*.json"))
EVENT = json.loads(next(path for path in FILES if path.stem == "object-created").read_text())
BUCKET = EVENT["detail"]["bucket"]["name"]


def events(path: Path) -> list[dict]:
    document = json.loads(path.read_text())
    return document if isinstance(document, list) else [document]


def with_detail(event: dict, **changes: dict) -> dict:
    return {**event, "detail": {**event["detail"], **changes}}


@pytest.fixture(scope="module")
def deployed():
    """The pattern of the rule of a stack with these parameters, to be matched as EventBridge does."""

    @cache
    def pattern(**parameters: str) -> EventPattern:
        with made(REPLICATOR, {"SourceBucket": BUCKET, **parameters}) as stack:
            rule = boto3.client("events").describe_rule(Name=stack.name)
        assert rule["State"] == "ENABLED"
        return EventPattern.load(rule["EventPattern"])

    return pattern


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_rule_sends_exactly_what_the_service_acts_on(path, deployed):
    for event in events(path):
        (notice,) = parse_document(event)
        assert deployed().matches_event(event) == isinstance(notice, Change)


def test_there_is_a_file_of_every_type_and_of_others():
    types = {event["detail-type"] for path in FILES for event in events(path)}
    assert types > CHANGES


def test_the_rule_names_the_services_types_and_no_others(deployed):
    assert set(deployed().get_pattern()["detail-type"]) == CHANGES


def test_events_of_other_buckets_do_not_pass(deployed):
    for name in ("other-bucket", BUCKET + "-2", BUCKET.upper(), ""):
        assert not deployed().matches_event(with_detail(EVENT, bucket={"name": name}))


def test_events_that_only_look_like_s3s_do_not_pass(deployed):
    assert not deployed().matches_event({**EVENT, "source": "my.app"})


@pytest.mark.parametrize(
    ("key", "passes"),
    [
        ("live/a", True),
        ("live/", True),
        ("live/déjà+vu %20.txt", True),
        ("Live/a", False),
        ("live", False),
        ("a/live/b", False),
    ],
)
def test_a_prefix_lets_only_keys_pass_that_begin_with_it(key, passes, deployed):
    event = with_detail(EVENT, object={"key": key})
    assert deployed(KeyPrefix="live/").matches_event(event) == passes
    assert deployed().matches_event(event)


@pytest.mark.parametrize("parameters", [{}, {"KeyPrefix": "live/"}])
def test_the_archive_keeps_what_the_rule_sends(parameters):
    stack = resolved(REPLICATOR, **parameters)
    rule, archive = stack.resources["Rule"], stack.resources["Archive"]
    assert archive["EventPattern"] == rule["EventPattern"]
    assert archive["SourceArn"] == "arn:aws:events:eu-west-1:123456789012:event-bus/default"
    assert "EventBusName" not in rule
    assert archive["RetentionDays"] == 7


def test_without_days_to_keep_there_is_no_archive():
    stack = resolved(REPLICATOR, ArchiveDays="0")
    assert "Archive" not in stack.resources
    assert "ArchiveArn" not in stack.outputs
