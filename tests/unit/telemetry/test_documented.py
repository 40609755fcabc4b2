"""docs/observability.md lists the fields of the lines and the metrics as the code has them."""

import logging
import re
from dataclasses import replace
from pathlib import Path

from opentelemetry.sdk.metrics.export import Histogram, InMemoryMetricReader

from replicator import telemetry
from replicator.errors import Permanent, Transient, Unfinished
from replicator.model import Change, Failure, SourceObject
from replicator.reasons import Reason
from replicator.telemetry.metrics import Metrics
from replicator.transfer import PathReason
from tests.fakes import EPOCH
from tests.unit.telemetry.test_outcomes import KEY, OUTCOME, REPLICA

ROOT = Path(telemetry.__file__).parents[2]
DOCUMENT = (ROOT / "docs/observability.md").read_text()


def rows(table: str) -> list[list[str]]:
    found = re.search(rf"<!-- {table} -->\n(.*?)\n<!-- /{table} -->", DOCUMENT, re.DOTALL)[1]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in found.splitlines()[2:]]


def say_everything() -> None:
    """Every kind of line, with all it can hold."""
    occasion = telemetry.Occasion("event", Change(KEY, "Object Created", EPOCH, "e-1", "v1", "0055"))
    unexpected = Transient(Reason.UNEXPECTED)
    unexpected.__cause__ = ValueError()
    telemetry.log_outcome(replace(OUTCOME, dry_run=True), occasion, 1)
    telemetry.log_outcome(OUTCOME, occasion, 1)
    telemetry.log_failure(Failure(Permanent(Reason.SOURCE_ARCHIVED, "x"), KEY, REPLICA, "default"), occasion, 1)
    telemetry.log_failure(Failure(unexpected, KEY), occasion, 1)
    telemetry.log_handed_over(Failure(Unfinished(5, 10), KEY, REPLICA, "default"), occasion, 1, "4712")
    telemetry.log_error(Permanent(Reason.EVENT_MALFORMED))
    telemetry.log_published("4711", {"bucket": "source", "kind": "Object Created", "event_id": "e-1"})
    logging.getLogger("botocore").warning("x")


def test_the_fields_are_those_of_the_lines(lines):
    for traceparent in (None, f"00-{'a' * 32}-{'b' * 16}-01"):
        for project in ("a-project", None):
            lines.configure("INFO", project)
            with telemetry.request_scope(traceparent, None):
                telemetry.describe_request(door="POST /", caller="a@b.example", message_id="4711", delivery_attempt=1)
                say_everything()
    assert {cells[0].strip("`") for cells in rows("fields")} == {name for line in lines() for name in line}


def test_the_doors_describe_a_request_by_nothing_else():
    source = "".join(file.read_text() for file in (ROOT / "replicator/web").glob("*.py"))
    calls = re.findall(r"describe_request\((.*)\)\n", source)
    described = {name for call in calls for name in re.findall(r"(\w+)=", call)}
    assert described == {"door", "caller", "message_id", "delivery_attempt", "destination"}


def test_the_reasons_for_a_path_are_those_that_answers_may_hold():
    assert tuple(cells[0].strip("`") for cells in rows("path reasons")) == tuple(PathReason)


def test_the_metrics_are_those_that_are_counted(lines):
    reader = InMemoryMetricReader()
    metrics = Metrics(reader, "replicate")
    telemetry.record_with(metrics.record)
    say_everything()
    with metrics.copying(SourceObject(KEY, "e", None, EPOCH, 5)):
        found = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
    counted = {
        (
            f"`{metric.name}`",
            "histogram"
            if isinstance(metric.data, Histogram)
            else ("counter" if metric.data.is_monotonic else "up-down counter"),
            f"`{metric.unit}`",
            ", ".join(f"`{name}`" for name in metric.data.data_points[0].attributes),
        )
        for metric in found
    }
    assert {tuple(cells) for cells in rows("metrics")} == counted
