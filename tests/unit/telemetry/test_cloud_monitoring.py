"""deploy/gcp/monitoring is made of lines that the service really says: metrics, alerts and the dashboard find them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from replicator import telemetry
from replicator.model import Change, Result
from replicator.telemetry.metrics import DURABLE, SECONDS
from tests.fakes import EPOCH
from tests.unit.telemetry.test_documented import say_everything
from tests.unit.telemetry.test_outcomes import KEY, OUTCOME

MONITORING = Path(telemetry.__file__).parents[2] / "deploy/gcp/monitoring"
TEXTS = {file.name: file.read_text() for file in sorted(MONITORING.glob("*.json"))}
OUTCOMES, LAG = (json.loads(TEXTS[f"{name}.metric.json"]) for name in ("outcomes", "lag"))
ERRORS = json.loads(TEXTS["errors.policy.json"])["conditions"][0]["conditionMatchedLog"]
SEVERITIES = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def holds(term: str, line: dict) -> bool:
    """One comparison of Cloud Logging's query language, of the kinds that stand in our filters.

    https://cloud.google.com/logging/docs/view/logging-query-language
    """
    if term.startswith("NOT "):
        return not holds(term.removeprefix("NOT "), line)
    if term.startswith("resource."):
        return True  # where it was said, not what
    if log := re.fullmatch(r'log_id\("(.*)"\)', term):
        return line.get("log_id", "run.googleapis.com/stdout") == log[1]
    name, operator, text = re.fullmatch(r"(?:jsonPayload\.)?(\w+)(:\*|>=|=)(.*)", term).groups()
    if name not in line:
        return False
    if operator == ">=":
        return (
            SEVERITIES.index(line[name]) >= SEVERITIES.index(text) if name == "severity" else line[name] >= float(text)
        )
    return operator == ":*" or line[name] in [json.loads(value) for value in text.strip("()").split(" OR ")]


def matches(query: str, line: dict) -> bool:
    return all(holds(term, line) for term in query.split(" AND "))


def say_everything_about_outcomes() -> None:
    """Each result, with and without the time of an event."""
    for occurred_at in (EPOCH, None):
        occasion = telemetry.Occasion("event", Change(KEY, "Object Created", occurred_at, "e-1", "v1", "0055"))
        for result in Result:
            telemetry.log_outcome(replace(OUTCOME, result=result), occasion, 1)
    say_everything()


@pytest.fixture
def said(lines) -> list[dict]:
    say_everything_about_outcomes()
    return lines()


@pytest.mark.parametrize("name", TEXTS)
def test_fields_that_are_named_are_fields_of_lines(name, said):
    fields = set(re.findall(r"jsonPayload\.(\w+)", TEXTS[name]))
    assert fields <= {field for line in said for field in line}


def test_outcomes_counts_every_line_that_says_what_became_of_something(said):
    counted = [line for line in said if matches(OUTCOMES["filter"], line)]
    assert counted == [line for line in said if "result" in line and "dry_run" not in line]
    assert 0 < len(counted) < len(said)


def test_lag_counts_the_events_that_took_effect(said):
    counted = [line for line in said if matches(LAG["filter"], line)]
    took_effect = [line for line in said if line.get("result") in DURABLE and "dry_run" not in line]
    assert counted == [line for line in took_effect if "lag_seconds" in line]
    assert 0 < len(counted) < len(took_effect)
    assert {line["result"] for line in counted} == DURABLE


def test_the_alert_on_errors_sees_what_a_person_has_to_look_at(said):
    alerted = [line for line in said if matches(ERRORS["filter"], line)]
    assert alerted == [line for line in said if line["severity"] == "ERROR"]
    assert alerted


def test_the_alert_on_errors_leaves_out_cloud_runs_own_line_of_a_request():
    """It is an error for any 5xx, those that redelivery repairs among them."""
    of_a_request = {"log_id": "run.googleapis.com/requests", "severity": "ERROR"}
    assert not matches(ERRORS["filter"], of_a_request)
    assert matches(ERRORS["filter"], {"severity": "ERROR"})


@pytest.mark.parametrize("metric", [OUTCOMES, LAG], ids=lambda metric: metric["name"])
def test_labels_are_the_fields_of_the_same_name(metric):
    labels = [label["key"] for label in metric["metricDescriptor"]["labels"]]
    assert metric["labelExtractors"] == {label: f"EXTRACT(jsonPayload.{label})" for label in labels}


def test_lag_is_told_apart_at_least_as_finely_as_by_the_service_itself():
    assert LAG["valueExtractor"] == "EXTRACT(jsonPayload.lag_seconds)"
    bounds = LAG["bucketOptions"]["explicitBuckets"]["bounds"]
    assert bounds == sorted(bounds)
    assert set(SECONDS) <= set(bounds)
