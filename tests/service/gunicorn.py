"""The target `replicate` in processes of its own, as the container starts it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from replicator.dev import environment
from replicator.dev.services import Service
from replicator.dev.sockets import bind
from tests.servers import AWS


@contextmanager
def gunicorn(folder: Path, s3_url: str, storage_url: str, **more: str) -> Iterator[Service]:
    """`more` are further variables, or other values of these."""
    variables = {
        **environment.inherited(),
        **AWS,
        "AWS_ENDPOINT_URL_S3": s3_url,
        "STORAGE_EMULATOR_HOST": storage_url,
        "SOURCE_S3_BUCKETS": "source-bucket",
        "TARGET_GCS_BUCKET": "replica-bucket",
        "AUTH": "none",
        "HOST": "127.0.0.1",
        "MEMORY_BUDGET": "128MiB",
        **more,
    }
    with bind(0) as bound:
        service = Service("replicate", bound, variables, lambda fields: None, lambda line: None, lambda why: None)
        service.start(folder)
        try:
            service.wait_until_healthy(threading.Event())
            yield service
        finally:
            service.stop()
