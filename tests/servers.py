"""The servers that tests run against, and clients for both sides of them."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from unittest.mock import patch

import boto3
from moto.server import ThreadedMotoServer
from werkzeug.serving import make_server
from werkzeug.wrappers import Request, Response

from replicator.adapters.gcs import GcsDestination
from replicator.adapters.gcs import connect as connect_gcs
from replicator.adapters.s3 import S3Source
from replicator.adapters.s3 import connect as connect_s3
from replicator.dev import environment
from replicator.dev.cloud_storage import CloudStorageServer

AWS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


def forget_the_shell(monkeypatch) -> None:
    """Leaves of the environment what a service may know of this machine."""
    for name in os.environ.keys() - environment.inherited().keys():
        monkeypatch.delenv(name)


@contextmanager
def moto() -> Iterator[str]:
    """An S3 without a cloud; yields its URL."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def s3_client(url: str):
    """A client for tests to write the source side with."""
    return boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def s3_source(url: str, keys=None, pool_size: int = 32, tag_filtered: frozenset[str] = frozenset()) -> S3Source:
    """The real adapter, configured as a deployment is: through the environment."""
    with patch.dict(os.environ, {**AWS, "AWS_ENDPOINT_URL_S3": url}):
        return S3Source(connect_s3(keys, "us-east-1", pool_size), keys, tag_filtered)


def gcs_destination(url: str, pool_size: int = 32) -> GcsDestination:
    """The real adapter, configured as a deployment is: through the environment."""
    with patch.dict(os.environ, {"STORAGE_EMULATOR_HOST": url}):
        return GcsDestination(connect_gcs(None, pool_size))


@contextmanager
def cloud_storage(*buckets: str) -> Iterator[CloudStorageServer]:
    """A Cloud Storage without a cloud, with these buckets, in memory."""
    with CloudStorageServer(buckets=buckets) as server:
        yield server


@contextmanager
def listening(app: Callable[[Request], Response]) -> Iterator[str]:
    """A server for requests that `app` answers; yields its URL."""
    server = make_server("127.0.0.1", 0, Request.application(app), threaded=True)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
