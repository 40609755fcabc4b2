"""The project's engine alone, as the service builds it, without the service around it.

python -m tests.bench.drivers.engine BUCKET CONCURRENCY
"""

import sys

from replicator.bootstrap import build_engine
from replicator.model import Failure, Result, SourceKey
from replicator.settings import EngineSettings
from tests.bench.drivers.copying import serve

if __name__ == "__main__":
    bucket, concurrency = sys.argv[1:]
    engine = build_engine(EngineSettings.load(), int(concurrency))

    def copy(key: str) -> None:
        for outcome in engine.replicate(SourceKey(bucket, key), engine.new_deadline()):
            if isinstance(outcome, Failure):
                raise outcome.error
            if outcome.result is not Result.CREATED:
                raise RuntimeError(f"{key}: {outcome.result}, {outcome.reason}")

    serve(copy)
