"""The lines and the metrics of a process."""

import atexit
from contextlib import ExitStack
from typing import TYPE_CHECKING

from replicator.bootstrap.configuration import google_identity
from replicator.settings import Metrics, ServerSettings
from replicator.telemetry import configure, log_unexpected, record_with

if TYPE_CHECKING:
    from replicator.telemetry.metrics import Metrics as Meters

METRICS_FLUSH_SECONDS = 2
"""How long the end of a process waits for its last metrics: Cloud Run kills it 10 s after SIGTERM."""

closing = ExitStack()
"""What ends with this process. The interpreter waits for each thread before it does so: one that hangs would leave no
time for the last metrics."""

MONITORING_WRITE = "https://www.googleapis.com/auth/monitoring.write"


def start_telemetry(settings: ServerSettings) -> "Meters | None":
    """Sets up the lines and, where they are configured, the metrics."""
    configure(settings.log_level, settings.google_cloud_project)
    if settings.metrics is Metrics.NONE:
        return None
    try:
        meters = _build_meters(settings)
    except Exception as error:  # an exporter that cannot be built, for want of credentials perhaps, must stop no copy
        log_unexpected(error)
        return None
    record_with(meters.record)
    closing.callback(meters.close, METRICS_FLUSH_SECONDS)
    atexit.register(closing.close)  # for servers that do not say when they end
    return meters


def _build_meters(settings: ServerSettings) -> "Meters":
    from replicator.telemetry import export, metrics  # noqa: PLC0415  nothing of it is imported without need

    if settings.metrics is Metrics.OTLP:
        reader = export.otlp_reader()
    else:
        credentials = google_identity(settings).credentials(MONITORING_WRITE)
        reader = export.cloud_monitoring_reader(settings.google_cloud_project, credentials)
    return metrics.Metrics(reader, settings.function_target)
