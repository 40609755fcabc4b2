"""Starts the real service, targets `replicate` and `ingest`, between servers that each stand behind a proxy.

All adapters are the real ones, over TLS as in a deployment. Their patience is short, and so are their pauses between
two tries; what the service is made of is what `bootstrap` makes it of.
"""

import io
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import grpc
import urllib3
from botocore.retries.standard import ExponentialBackoff
from google.api_core.retry import Retry, if_transient_error
from google.auth.compute_engine import Credentials
from google.cloud.secretmanager import SecretManagerServiceClient
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import SecretManagerServiceGrpcTransport
from google.pubsub_v1 import PublisherClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport

from replicator.adapters import gcs_connections, gcs_facts, gcs_requests, gcs_upload, key_payload, pubsub, secrets, sts
from replicator.adapters import s3 as s3_adapter
from replicator.adapters.gcs import GcsDestination
from replicator.adapters.gcs import connect as connect_gcs
from replicator.adapters.google_identity import GoogleIdentity
from replicator.adapters.s3 import S3Source
from replicator.adapters.source_by_bucket import SourceByBucket
from replicator.dev.cloud_storage import CloudStorageServer
from replicator.dev.pubsub import EmbeddedPubsub
from replicator.dev.push import Message
from replicator.engine import RetryPolicy
from replicator.reconcile import Reconciler
from replicator.rules import Deletes, Parts, Rule, RuleSet
from replicator.telemetry import configure
from replicator.telemetry.lines import CloudLoggingHandler
from replicator.transfer import Memory, Transfer, tree
from replicator.transfer.plan import Sizes
from replicator.web.ingest import IngestDoors
from replicator.web.replicate import ReplicateDoors
from tests.identity_servers import MetadataServer, Sts, running
from tests.proof.wire.http1 import Http1
from tests.proof.wire.http2 import Http2
from tests.proof.wire.proxy import Link, Proxy
from tests.proof.wire.s3 import running_s3
from tests.proof.wire.secret_manager import ACCESS, SecretManager
from tests.proof.wire.tls import Certificate, new_certificate
from tests.proof.wire.world import (
    BY_ROLE,
    INGEST_SECRET,
    KIB,
    REPLICA,
    SOURCE,
    STREAMED,
    Keys,
    Side,
    TimedEngine,
    World,
)
from tests.servers import listening

SIZES = Sizes(whole_max=96 * KIB, parts_min=96 * KIB + 1, part=32 * KIB)
FAN_IN = 4
TOPIC, PUBLISH = "projects/p/topics/t", "google.pubsub.v1.Publisher/Publish"
KEY_SECRET, ROLE = "projects/p/secrets/s", "arn:aws:iam::111122223333:role/r"


@contextmanager
def running_world(folder: Path, patience: float, deadline_seconds: float, deliveries: int) -> Iterator[World]:
    """`patience` is how long, in seconds, a client waits for a byte, and `deadline_seconds` what a request has.

    With little of either a machine that is busy is a fault by itself: then one redelivery may not be enough.
    """
    certificate = new_certificate(folder / "certificate.pem")
    with ExitStack() as stack:
        enter = stack.enter_context
        _hurry(stack, patience)
        s3, storage = enter(running_s3()), enter(CloudStorageServer(buckets=[REPLICA]))
        messages: list[Message] = []
        publishing, manager = enter(EmbeddedPubsub(TOPIC, messages.append)), enter(SecretManager())
        metadata, tokens = enter(running(MetadataServer)), enter(running(Sts))

        def proxy(target: str, link: type[Link] = Http1, *, tls: bool = True) -> Proxy:
            return enter(Proxy(target, link, certificate.server(link.alpn) if tls else None))

        proxies = {
            Side.S3: proxy(s3.url),
            Side.STORAGE: proxy(storage.url),
            Side.SECRETS: proxy(f"{manager.address}/{ACCESS}", Http2),
            Side.PUBSUB: proxy(f"{publishing.address}/{PUBLISH}", Http2),
            Side.STS: proxy(tokens.url),
            Side.METADATA: proxy(metadata.url, tls=False),
        }
        enter(patch.dict(os.environ, _environment(proxies, certificate)))
        enter(patch("google.auth.compute_engine._metadata._GCE_METADATA_HOST", proxies[Side.METADATA].address))
        credentials = Credentials(universe_domain="googleapis.com")  # type: ignore[no-untyped-call]
        channels = {side: enter(_channel(proxies[side].address, certificate)) for side in (Side.SECRETS, Side.PUBSUB)}
        secret_client = SecretManagerServiceClient(
            transport=SecretManagerServiceGrpcTransport(channel=channels[Side.SECRETS])
        )
        keys = Keys(lambda: key_payload.parse_keys(secrets.read(secret_client, KEY_SECRET)))
        sts_client = sts.connect("us-east-1")
        token = partial(GoogleIdentity().token, "sts.amazonaws.com")
        role_keys = Keys(lambda: sts.assume_role(sts_client, ROLE, token))
        engine = _engine(keys, role_keys, credentials, deadline_seconds)
        stack.callback(engine.reconciler.transfer.workers.shutdown)
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channels[Side.PUBSUB]))
        topic = pubsub.PubsubPublisher(publisher, TOPIC)
        printed = enter(_lines())
        world = World(
            url=enter(listening(ReplicateDoors(lambda: engine, lambda: topic))),
            ingest_url=enter(listening(IngestDoors(lambda: topic, [INGEST_SECRET]))),
            s3=s3,
            proxies=proxies,
            engine=engine,
            keys=keys,
            role_keys=role_keys,
            identity=credentials,
            messages=messages,
            printed=printed,
            deliveries=deliveries,
            channels=channels,
            direct=enter(urllib3.HTTPConnectionPool("127.0.0.1", int(storage.url.rpartition(":")[2]), maxsize=4)),
        )
        enter(world.http)
        yield world


def _hurry(stack: ExitStack, patience: float) -> None:
    quick: dict[str, float] = {"initial": 0.001, "maximum": 0.002, "timeout": 0.02}
    to_connect_again = {**quick, "timeout": 0.1}
    for module, name, value in (
        (tree, "MAX_COMPONENTS", FAN_IN),
        (gcs_facts, "FRESH_SECONDS", 0),
        (gcs_connections, "TIMEOUT", (patience, patience)),
        (gcs_upload, "CANCEL_TIMEOUT", (patience, patience)),
        (gcs_requests, "RETRY", Retry(predicate=gcs_requests._passes, **quick)),  # type: ignore[arg-type]
        (s3_adapter, "CONNECT_TIMEOUT", patience),
        (s3_adapter, "READ_TIMEOUT", patience),
        (pubsub, "TIMEOUT", patience),
        (pubsub, "Retry", lambda timeout: Retry(**to_connect_again)),
        (secrets, "TIMEOUT", patience),
        (secrets, "RETRY", Retry(if_transient_error, **to_connect_again)),
        (ExponentialBackoff, "delay_amount", lambda self, context: 0),
    ):
        stack.enter_context(patch.object(module, name, value))
    stack.enter_context(patch("google.auth._exponential_backoff.time", SimpleNamespace(sleep=lambda seconds: None)))


def _environment(proxies: dict[Side, Proxy], certificate: Certificate) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL_S3": proxies[Side.S3].url,
        "AWS_ENDPOINT_URL_STS": proxies[Side.STS].url,
        "AWS_REGION": "us-east-1",
        "AWS_CA_BUNDLE": str(certificate.path),
        "REQUESTS_CA_BUNDLE": str(certificate.path),
        "STORAGE_EMULATOR_HOST": proxies[Side.STORAGE].url,
        "GCE_METADATA_IP": proxies[Side.METADATA].address,
    }


@contextmanager
def _channel(address: str, certificate: Certificate) -> Iterator[grpc.Channel]:
    pauses = ("initial_reconnect_backoff_ms", "max_reconnect_backoff_ms")
    trusted = grpc.ssl_channel_credentials(root_certificates=certificate.path.read_bytes())
    with grpc.secure_channel(address, trusted, options=[(f"grpc.{pause}", 5) for pause in pauses]) as channel:
        yield channel


def _engine(keys: Keys, role_keys: Keys, credentials: Credentials, deadline_seconds: float) -> TimedEngine:
    source = SourceByBucket(
        {
            bucket: S3Source(s3_adapter.connect(store, "us-east-1", 16), store)
            for bucket, store in ((SOURCE, keys), (BY_ROLE, role_keys))
        }
    )
    destination = GcsDestination(connect_gcs(credentials, 16))
    usual = Rule("usual", frozenset({SOURCE, BY_ROLE}), REPLICA, Deletes.PROPAGATE)
    streamed = {"source_prefix": STREAMED, "destination_prefix": STREAMED, "parts": Parts.NEVER, "priority": 1}
    rules = RuleSet((usual, replace(usual, id="streamed", **streamed)))
    transfer = Transfer(
        source, destination, 64 * KIB, memory=Memory(32 * KIB**2), workers=ThreadPoolExecutor(8), sizes=SIZES
    )
    return TimedEngine(
        rules, Reconciler(source, destination, transfer, rules), RetryPolicy(1, 0.001, 1.0), deadline_seconds
    )


@contextmanager
def _lines() -> Iterator[io.StringIO]:
    """What the service prints, as it prints it in a deployment."""
    embedded = logging.getLogger("replicator.dev")  # is no part of the service, though it runs here
    loggers = [embedded, *(logging.getLogger(name) for name in (None, "google", "replicator"))]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    configure("DEBUG", None)
    embedded.propagate = False
    printed = io.StringIO()
    for handler in logging.getLogger().handlers:
        assert isinstance(handler, CloudLoggingHandler)
        handler.setStream(printed)
    try:
        yield printed
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
