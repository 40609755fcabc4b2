"""The embedded Cloud Storage server in a process of its own; it computes CRC32C and no MD5, which would cost more."""

import sys

from replicator.dev.cloud_storage import CloudStorageServer
from tests.bench.answering import say

if __name__ == "__main__":
    with CloudStorageServer(report_md5=False) as server:
        say(url=server.url)
        sys.stdin.read()
