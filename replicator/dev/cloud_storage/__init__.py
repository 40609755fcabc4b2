"""An embedded Cloud Storage server that keeps the promises of the JSON API: generations, preconditions, checksums.

with CloudStorageServer(buckets=["replica"]) as server:
    storage.Client(project="dev", credentials=AnonymousCredentials(), client_options={"api_endpoint": server.url})
"""

from replicator.dev.cloud_storage.faults import (
    Answer,
    Fault,
    Faults,
    Flip,
    Garble,
    LoseAnswer,
    PersistAtMost,
    Reset,
    Stall,
)
from replicator.dev.cloud_storage.messages import UploadKind
from replicator.dev.cloud_storage.request_log import RequestLog, ServedRequest
from replicator.dev.cloud_storage.server import CloudStorageServer

__all__ = [
    "Answer",
    "CloudStorageServer",
    "Fault",
    "Faults",
    "Flip",
    "Garble",
    "LoseAnswer",
    "PersistAtMost",
    "RequestLog",
    "Reset",
    "ServedRequest",
    "Stall",
    "UploadKind",
]
