"""Exporters are imported only where they are configured; what they write to Cloud Monitoring is valid there.

Cloud Monitoring itself is not asked: the requests are held against its published rules for metric types, labels and
points.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from google.api.metric_pb2 import MetricDescriptor
from google.cloud.monitoring_v3 import MetricServiceClient
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

from replicator import telemetry
from replicator.telemetry import export
from replicator.telemetry.metrics import Metrics

ROOT = Path(telemetry.__file__).parents[2]
LINE = {
    "result": "created",
    "reason": "destination_absent",
    "rule": "default",
    "door": "event",
    "source": "s3://marker-bucket/marker-key",
    "destination": "gs://marker-bucket/marker-key",
    "bytes": 5,
    "path": "whole",
    "attempts": 1,
    "duration_seconds": 0.5,
    "lag_seconds": 2.5,
}
CONFIGURED = {
    "replicate": {"SOURCE_S3_BUCKETS": "source", "TARGET_GCS_BUCKET": "replica", "K_SERVICE": "replicator"},
    "ingest": {"INGEST_SECRETS": "secret-of-the-tests", "PUBSUB_TOPIC": "projects/p/topics/t"},
}


def state(target: str, folder: Path, **variables: str) -> dict:
    """What a process of this target imported and runs once its doors are built."""
    script = (
        "import json, sys, threading, main; from replicator import bootstrap;"
        f"bootstrap.{target}_doors();"
        "names = ('opentelemetry.sdk', 'opentelemetry.exporter', 'google.cloud.monitoring_v3');"
        "print(json.dumps({'imported': [name for name in names if name in sys.modules],"
        " 'threads': [thread.name for thread in threading.enumerate()]}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "FUNCTION_TARGET": target, **CONFIGURED[target], **variables},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize("target", CONFIGURED)
def test_without_metrics_nothing_of_them_is_imported_and_no_thread_runs(target, tmp_path):
    assert state(target, tmp_path) == {"imported": [], "threads": ["MainThread"]}


@pytest.mark.parametrize("target", CONFIGURED)
def test_with_otlp_nothing_of_cloud_monitoring_is_imported(target, tmp_path):
    found = state(target, tmp_path, METRICS="otlp", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1")
    assert found["imported"] == ["opentelemetry.sdk", "opentelemetry.exporter"]
    assert len(found["threads"]) == 2


# --- Cloud Monitoring -------------------------------------------------------------------------------------------------


class Monitoring:
    """A `MetricServiceClient` that keeps what it is asked to write."""

    def __init__(self) -> None:
        self.descriptors, self.series = [], []

    common_project_path = staticmethod(MetricServiceClient.common_project_path)

    def create_metric_descriptor(self, request):
        assert request.name == "projects/a-project"
        self.descriptors.append(request.metric_descriptor)
        return request.metric_descriptor

    def create_time_series(self, request):
        assert request.name == "projects/a-project"
        assert 0 < len(request.time_series) <= 200
        self.series += request.time_series


def written(*lines: dict, client: Monitoring | None = None) -> Monitoring:
    """What one process writes at its end."""
    client = client or Monitoring()
    with pytest.warns(DeprecationWarning, match="CloudMonitoringMetricsExporter"):
        exporter = export.cloud_monitoring_exporter("a-project", client)
    metrics = Metrics(PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000), "replicate")
    for line in lines:
        metrics.record(line)
    metrics.close(10)
    return client


def test_each_instrument_is_a_metric_of_the_right_kind():
    kinds = {
        descriptor.type: (
            MetricDescriptor.MetricKind.Name(descriptor.metric_kind),
            MetricDescriptor.ValueType.Name(descriptor.value_type),
            descriptor.unit,
        )
        for descriptor in written(LINE).descriptors
    }
    prefix = "workload.googleapis.com/replicator."
    assert kinds == {
        f"{prefix}outcomes": ("CUMULATIVE", "INT64", "{outcome}"),
        f"{prefix}copied_bytes": ("CUMULATIVE", "INT64", "By"),
        f"{prefix}lag": ("CUMULATIVE", "DISTRIBUTION", "s"),
        f"{prefix}duration": ("CUMULATIVE", "DISTRIBUTION", "s"),
        f"{prefix}attempts": ("CUMULATIVE", "DISTRIBUTION", "{attempt}"),
    }


def test_each_series_is_valid_and_names_no_object():
    client = written(LINE, {"result": "ignored", "reason": "test_event", "door": "event"})
    labels = {descriptor.type: {label.key for label in descriptor.labels} for descriptor in client.descriptors}
    for series in client.series:
        assert set(series.metric.labels) == labels[series.metric.type]  # no later point may bring another label
        assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in series.metric.labels)
        assert len(series.points) == 1
        interval = series.points[0].interval
        assert interval.start_time < interval.end_time
    assert "marker" not in str(client.series) + str(client.descriptors)


def test_instances_write_different_series_by_their_monitored_resource():
    first, second = ({str(series.resource.labels["task_id"]) for series in written(LINE).series} for _ in range(2))
    assert len(first) == len(second) == 1
    assert first != second
    resource = written(LINE).series[0].resource
    assert resource.type == "generic_task"
    assert {name: value for name, value in resource.labels.items() if name != "task_id"} == {
        "location": "global",
        "namespace": "replicator",
        "job": "replicate",
    }


def test_a_cloud_monitoring_that_refuses_raises_nothing(lines):
    client = Monitoring()
    client.create_time_series = lambda request: 1 / 0
    written(LINE, client=client)
    (line,) = lines()
    assert (line["severity"], line["exception"]) == ("ERROR", "ZeroDivisionError")


@pytest.mark.filterwarnings("ignore:CloudMonitoringMetricsExporter:DeprecationWarning")
def test_the_reader_writes_as_whom_it_is_told():
    from google.auth.credentials import AnonymousCredentials

    given = AnonymousCredentials()
    with patch("google.cloud.monitoring_v3.MetricServiceClient") as client:
        reader = export.cloud_monitoring_reader("a-project", given)
    assert client.call_args.kwargs == {"credentials": given}
    reader.shutdown(1000)
