"""Where metrics are sent, once per interval, by a thread of their own: a request never waits for it.

OpenTelemetry's own variables (`OTEL_EXPORTER_OTLP_*`, `OTEL_METRIC_EXPORT_INTERVAL`, …) keep their meaning.
"""

from typing import Any

from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader


def otlp_reader() -> MetricReader:
    """Sends OTLP over HTTP to what `OTEL_EXPORTER_OTLP_ENDPOINT` names."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415  as below

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def cloud_monitoring_reader(project: str | None, credentials: Any | None = None) -> MetricReader:
    """Writes time series to Cloud Monitoring, in `project`, as `credentials`; by default those that Google's own
    libraries find."""
    from google.cloud.monitoring_v3 import MetricServiceClient  # noqa: PLC0415  only what is configured is imported

    return PeriodicExportingMetricReader(
        cloud_monitoring_exporter(project, MetricServiceClient(credentials=credentials))
    )


def cloud_monitoring_exporter(project: str | None, client: Any) -> Any:
    """The exporter on a `MetricServiceClient`. Time series are told apart by their monitored resource, a generic task
    whose id is the process's, so that no label for that is needed."""
    from opentelemetry.exporter.cloud_monitoring import CloudMonitoringMetricsExporter  # noqa: PLC0415

    return CloudMonitoringMetricsExporter(project, client)
