"""The metrics count what the lines say, with few attributes and always the same ones."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from replicator.engine import Engine, RetryPolicy
from replicator.errors import Permanent, Unfinished
from replicator.model import Change, DestinationName, Failure, IgnoredEvent, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Rule, RuleSet
from replicator.telemetry import (
    Occasion,
    log_error,
    log_failure,
    log_handed_over,
    log_ignored,
    log_outcome,
    log_published,
    record_with,
)
from replicator.telemetry.metrics import Metrics
from replicator.transfer import Transfer
from tests.fakes import InMemoryDestination, InMemorySource

KEY = SourceKey("marker-bucket", "marker-key")
REPLICA = DestinationName("marker-replica", "marker-name")


class Seen:
    """The metrics of one process, and what was counted so far."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.metrics = Metrics(self._reader, "replicate")

    def data(self):
        return self._reader.get_metrics_data()

    def points(self, name: str) -> dict[tuple[str, ...], object]:
        """The values of an instrument by those of its attributes; of a histogram (count, sum)."""
        found = self.data()
        instruments = [
            metric
            for resource in (found.resource_metrics if found else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == f"replicator.{name}"
        ]
        return {
            tuple(point.attributes.values()): point.value if hasattr(point, "value") else (point.count, point.sum)
            for metric in instruments
            for point in metric.data.data_points
        }


@pytest.fixture
def seen(lines):
    seen = Seen()
    record_with(seen.metrics.record)
    return seen


def occasion(age: float = 0) -> Occasion:
    return Occasion("event", Change(KEY, "Object Created", datetime.now(UTC) - timedelta(seconds=age)))


def outcome(result=Result.CREATED, reason=Reason.DESTINATION_ABSENT, **about) -> Outcome:
    return Outcome(result, reason, KEY, REPLICA, **{"rule": "default", **about})


def test_outcomes_are_counted_by_result_reason_rule_and_door(seen):
    log_outcome(outcome(), occasion(), 1)
    log_outcome(outcome(), occasion(), 1)
    log_outcome(outcome(Result.UNCHANGED, Reason.IN_SYNC, rule="other"), Occasion("direct"), 1)
    log_failure(Failure(Permanent(Reason.SOURCE_ARCHIVED), KEY, REPLICA, "default"), occasion(), 1)
    log_ignored(IgnoredEvent("s3:TestEvent", Reason.TEST_EVENT), Occasion("event"))
    log_error(Permanent(Reason.EVENT_MALFORMED))
    log_published("4711", {})
    assert seen.points("outcomes") == {
        ("created", "destination_absent", "default", "event"): 2,
        ("unchanged", "in_sync", "other", "direct"): 1,
        ("failed", "source_archived", "default", "event"): 1,
        ("ignored", "test_event", "none", "event"): 1,
        ("failed", "event_malformed", "none", "none"): 1,
        ("published", "none", "none", "none"): 1,
    }


def test_a_copy_in_several_requests_is_one_outcome_with_the_lag_of_its_event(seen):
    left = Failure(Unfinished(5, 10), KEY, REPLICA, "default")
    for age in (30, 60):
        log_handed_over(left, occasion(age), 1, "4712")
    log_outcome(outcome(copied_bytes=10, path="parts"), occasion(90), 1)
    assert seen.points("outcomes") == {
        ("handed_over", "unfinished", "default", "event"): 2,
        ("created", "destination_absent", "default", "event"): 1,
    }
    assert seen.points("copied_bytes") == {("parts", "default"): 10}
    ((_, (count, total)),) = seen.points("lag").items()
    assert count == 1
    assert 90 <= total < 150


def test_bytes_are_counted_by_path_and_rule(seen):
    log_outcome(outcome(copied_bytes=5, path="whole"), occasion(), 1)
    log_outcome(outcome(copied_bytes=7, path="whole"), occasion(), 1)
    log_outcome(outcome(copied_bytes=9, path="stream"), occasion(), 1)
    log_outcome(outcome(Result.UNCHANGED, Reason.IN_SYNC), occasion(), 1)
    assert seen.points("copied_bytes") == {("whole", "default"): 12, ("stream", "default"): 9}


def test_the_lag_is_that_of_events_that_took_effect(seen):
    log_outcome(outcome(), occasion(age=90), 1)
    log_outcome(outcome(Result.DELETED, Reason.SOURCE_DELETED), occasion(age=30), 1)
    log_outcome(outcome(Result.UNCHANGED, Reason.IN_SYNC), occasion(age=10_000), 1)
    log_outcome(outcome(Result.IGNORED, Reason.FILTERED_BY_PREFIX), occasion(age=10_000), 1)
    log_failure(Failure(Permanent(Reason.SOURCE_ARCHIVED), KEY), occasion(age=10_000), 1)
    log_outcome(outcome(), Occasion("direct"), 1)
    ((attributes, (count, total)),) = seen.points("lag").items()
    assert (attributes, count) == (("default",), 2)
    assert 120 <= total < 240


def test_duration_and_attempts_are_those_of_objects(seen):
    log_outcome(outcome(attempts=3), occasion(), 0.25)
    log_failure(Failure(Permanent(Reason.SOURCE_ARCHIVED), KEY, REPLICA, "default", 4), occasion(), 1.5)
    log_error(Permanent(Reason.EVENT_MALFORMED))
    assert seen.points("duration") == {("created", "default"): (1, 0.25), ("failed", "default"): (1, 1.5)}
    assert seen.points("attempts") == {("created", "default"): (1, 3), ("failed", "default"): (1, 4)}


def test_a_dry_run_counts_for_nothing(seen):
    log_outcome(outcome(dry_run=True, copied_bytes=5), occasion(), 1)
    assert seen.points("outcomes") == seen.points("copied_bytes") == seen.points("lag") == {}


def test_bytes_in_flight_are_those_of_the_copies_under_way_and_come_down_again(seen):
    source, destination = InMemorySource("marker-bucket"), InMemoryDestination({"marker-replica"})
    source.put(KEY, b"hello")
    rules = RuleSet((Rule("default", frozenset({"marker-bucket"}), "marker-replica"),))
    transfer = Transfer(source, destination, 65536, seen.metrics)
    engine = Engine(rules, Reconciler(source, destination, transfer, rules), RetryPolicy(1, 0.01, 1.0), 60)
    during = []
    source.on_read = lambda offset: during.append(seen.points("inflight_bytes"))
    engine.replicate(KEY, engine.new_deadline())
    destination.objects.clear()
    destination.buckets.clear()  # a copy that fails comes down, too
    (failed,) = engine.replicate(KEY, engine.new_deadline())
    assert isinstance(failed, Failure)
    assert during
    assert all(found == {(): 5} for found in during)
    assert seen.points("inflight_bytes") == {(): 0}


def test_no_attribute_holds_a_name_and_each_instrument_has_always_the_same_ones(seen):
    log_outcome(outcome(copied_bytes=5, path="whole"), occasion(), 1)
    log_outcome(Outcome(Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, KEY), occasion(), 1)
    log_outcome(Outcome(Result.DELETED, Reason.DELETED_ON_REQUEST, KEY, REPLICA), occasion(), 1)
    log_failure(Failure(Permanent(Reason.SOURCE_ARCHIVED, "marker-detail"), KEY, REPLICA), occasion(), 1)
    log_published("marker-id", {"bucket": "marker-bucket"})
    data = seen.data()
    assert "marker" not in data.to_json()
    for metric in data.resource_metrics[0].scope_metrics[0].metrics:
        assert len({frozenset(point.attributes) for point in metric.data.data_points}) == 1, metric.name
        assert re.fullmatch(r"replicator\.[a-z_]+", metric.name)
        assert metric.unit in ("By", "s", "{outcome}", "{attempt}")
        assert metric.description


def test_the_lag_is_told_apart_from_a_tenth_of_a_second_to_an_hour(seen):
    log_outcome(outcome(), occasion(), 1)
    bounds = {
        metric.name: metric.data.data_points[0].explicit_bounds
        for metric in seen.data().resource_metrics[0].scope_metrics[0].metrics
        if hasattr(metric.data.data_points[0], "explicit_bounds")
    }
    lag = bounds["replicator.lag"]
    assert (lag[0], lag[-1]) == (0.1, 3600)
    assert set(bounds) == {"replicator.lag", "replicator.duration", "replicator.attempts"}


def test_each_process_is_a_service_instance_of_its_own(monkeypatch):
    def resource(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        seen = Seen()
        seen.metrics.record({"result": "created"})
        return dict(seen.data().resource_metrics[0].resource.attributes)

    first, second = resource(), resource()
    assert (first["service.namespace"], first["service.name"]) == ("replicator", "replicate")
    assert first["service.instance.id"] != second["service.instance.id"]
    named = resource(OTEL_SERVICE_NAME="ours", OTEL_RESOURCE_ATTRIBUTES="cloud.region=europe-west1")
    assert (named["service.name"], named["cloud.region"]) == ("ours", "europe-west1")
