"""The metrics of one process, in OpenTelemetry's terms. Imported only where metrics are configured.

They are made of the fields of the lines. No attribute holds a key or a bucket: there would be a time series for each.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader
from opentelemetry.sdk.resources import OTELResourceDetector, Resource

from replicator.model import Result, SourceObject

SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
ATTEMPTS = (1, 2, 3, 4, 5, 8, 12)

DURABLE = frozenset({Result.CREATED, Result.UPDATED, Result.METADATA_UPDATED, Result.DELETED})
"""The results by which an event took effect. Of an event that found its work done the lag would be no delay of ours."""


class Metrics:
    """Counts what the lines say, and watches the copies under way (it is a `Progress`)."""

    def __init__(self, reader: MetricReader, service: str) -> None:
        self._provider = MeterProvider([reader], resource=_resource(service), shutdown_on_exit=False)
        meter = self._provider.get_meter("replicator")
        self._outcomes = meter.create_counter(
            "replicator.outcomes", "{outcome}", "What became of objects, events and requests."
        )
        self._copied_bytes = meter.create_counter("replicator.copied_bytes", "By", "Bytes that copies made visible.")
        self._lag = _histogram(meter, "replicator.lag", "s", "From an event's time to its durable effect.", SECONDS)
        self._duration = _histogram(meter, "replicator.duration", "s", "Time that one object took.", SECONDS)
        self._attempts = _histogram(
            meter, "replicator.attempts", "{attempt}", "Attempts that one object took.", ATTEMPTS
        )
        self._inflight_bytes = meter.create_up_down_counter(
            "replicator.inflight_bytes", "By", "Sizes of the objects being copied."
        )

    def record(self, fields: Mapping[str, Any]) -> None:
        """Counts one line. A dry run changed nothing and counts for nothing.

        Each instrument has always the same attributes: Cloud Monitoring fixes them with the first point.
        """
        if fields.get("dry_run"):
            return
        self._outcomes.add(1, _attributes(fields, "result", "reason", "rule", "door"))
        if copied := fields.get("bytes"):
            self._copied_bytes.add(copied, _attributes(fields, "path", "rule"))
        if (lag := fields.get("lag_seconds")) is not None and fields["result"] in DURABLE:
            self._lag.record(lag, _attributes(fields, "rule"))
        if (seconds := fields.get("duration_seconds")) is not None:
            self._duration.record(seconds, _attributes(fields, "result", "rule"))
        if (attempts := fields.get("attempts")) is not None:
            self._attempts.record(attempts, _attributes(fields, "result", "rule"))

    @contextmanager
    def copying(self, source: SourceObject) -> Iterator[Callable[[int], None]]:
        """See `replicator.ports.Progress`."""
        self._inflight_bytes.add(source.size)
        try:
            yield lambda _position: None
        finally:
            self._inflight_bytes.add(-source.size)

    def close(self, seconds: float) -> None:
        """Exports what was counted since the last time, and nothing after it; gives up after so many seconds."""
        self._provider.shutdown(timeout_millis=seconds * 1000)


def _histogram(meter: Meter, name: str, unit: str, description: str, bounds: tuple[float, ...]) -> Any:
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=bounds)


def _attributes(fields: Mapping[str, Any], *names: str) -> dict[str, str]:
    return {name: str(fields.get(name, "none")) for name in names}


def _resource(service: str) -> Resource:
    """Who counts: every process by an id of its own, for instances of one service must not write one time series.

    `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win.
    """
    ours = {"service.namespace": "replicator", "service.name": service, "service.instance.id": str(uuid4())}
    return Resource(ours).merge(OTELResourceDetector().detect())
