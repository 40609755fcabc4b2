"""`python -m replicator.dev.cloud_storage`: the server alone, for benchmarks and for trying out."""

import argparse
from pathlib import Path
from threading import Event

from replicator.dev.cloud_storage import CloudStorageServer
from replicator.dev.signals import EndingSignals


def main() -> None:
    asked = _arguments()
    signals, ended = EndingSignals(), Event()
    server = CloudStorageServer(
        folder=asked.folder,
        buckets=asked.bucket,
        host=asked.host,
        port=asked.port,
        report_md5=not asked.no_md5,
        discard=asked.discard,
    )
    with server:
        print(server.url, flush=True)
        signals.then(ended.set)
        ended.wait()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m replicator.dev.cloud_storage", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the endpoint is printed")
    parser.add_argument("--bucket", action="append", default=[], help="to make; may be given again")
    parser.add_argument("--no-md5", action="store_true", help="objects have a CRC32C only, which is much faster")
    kept = parser.add_mutually_exclusive_group()
    kept.add_argument("--folder", type=Path, help="keep the objects as files in here, and not in memory")
    kept.add_argument("--discard", action="store_true", help="keep sizes and checksums, and throw the bytes away")
    return parser.parse_args()


if __name__ == "__main__":
    main()
