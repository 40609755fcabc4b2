"""The quick form of the bench runs, from the servers to the document. Nothing is asserted of its times.

It uses what the project has itself: moto in SeaweedFS's place, and no peers.
"""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import pytest

from replicator.dev.clients import s3_client, storage_client
from tests.bench import report
from tests.bench.__main__ import main
from tests.bench.network import DISTANT, LOOPBACK, Sides
from tests.bench.replicas import Replicas, WrongReplicas
from tests.bench.results import read
from tests.bench.run import Bench
from tests.bench.servers.running import S3, servers
from tests.bench.usage import Memory
from tests.bench.ways.way import Task
from tests.bench.works import WARM_UP_KEY, works

OURS = ("ours", "ours-http")
NAIVE = ("upload-from-file", "blob-open", "read-all")
QUICK = ("--quick", "--s3", "moto")


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    with servers(S3.MOTO, tmp_path_factory.mktemp("servers")) as running:
        yield running


def test_every_way_of_our_own_copies_rightly_and_is_written_down(tmp_path, capsys):
    ways = (*OURS, *NAIVE)
    choice = ["--works", "mixed,start", "--networks", LOOPBACK, "--ways", ",".join(ways), "--into", str(tmp_path)]
    assert main([*QUICK, *choice]) == 0

    measured = read(tmp_path / report.RESULTS)
    group = measured.group("mixed", LOOPBACK)
    assert not group.without
    assert set(group.samples) == set(ways)
    assert all(sample.cpu_seconds > 0 and sample.peak > 0 for taken in group.samples.values() for sample in taken)
    assert len(measured.starts) == 1
    document = (tmp_path / report.DOCUMENT).read_text()
    assert "| replicator: over HTTP |" in document
    assert (tmp_path / report.FOLDER / "mixed-loopback.svg").exists()
    printed = capsys.readouterr().out
    assert "| one small new object, 50 ms | at most 4 round trips | replicator: the engine | not measured |" in printed


def test_round_trips_are_counted_at_a_distance(tmp_path):
    choice = ["--works", "one-small", "--networks", DISTANT, "--ways", "ours,blob-open", "--into", str(tmp_path)]
    assert main([*QUICK, *choice]) == 0
    measured = read(tmp_path / report.RESULTS)
    (sample,) = measured.group("one-small", DISTANT).samples["ours"]
    assert 2 <= sample.round_trips <= sample.requests + sample.connections
    assert len(measured.links) == 1
    assert json.loads((tmp_path / report.RESULTS).read_text())["facts"]["Python"]


class Careless:
    """Copies the object rightly that comes before the clock starts, and does with the others as it likes."""

    name, title = "ours", "careless"
    pid = os.getpid()

    def __init__(self, treated: Callable[[bytes], bytes | None]) -> None:
        self._treated = treated

    def missing(self) -> str | None:
        return None

    @contextmanager
    def start(self, task: Task) -> Iterator[Self]:
        self._s3, self._task = s3_client(task.sides.s3), task
        with closing(storage_client(task.sides.storage)) as storage:
            self._bucket = storage.bucket(task.destination_bucket)
            yield self

    def copy(self, keys: Sequence[str]) -> None:
        for key in keys:
            data = self._s3.get_object(Bucket=self._task.source_bucket, Key=key)["Body"].read()
            data = data if key == WARM_UP_KEY else self._treated(data)
            if data is not None:
                self._bucket.blob(key).upload_from_string(data)

    def peak(self) -> Memory:
        return Memory(0, 0)


def samples_and_reason(sides: Sides, folder: Path, treated: Callable[[bytes], bytes | None]) -> tuple[int, str | None]:
    bench = Bench(sides, folder, {"ours": Careless(treated)}, repeats=2, warm_up=False, say=lambda line: None)
    (group,) = bench.measure([works(quick=True)["small-1000"]], [LOOPBACK])
    return len(group.samples.get("ours", ())), group.without.get("ours")


@pytest.mark.parametrize(
    "treated",
    [lambda data: None, lambda data: data[:-1], lambda data: data[:-1] + bytes([data[-1] ^ 1])],
    ids=["nothing", "one byte less", "one bit flipped"],
)
def test_a_fast_wrong_answer_gets_no_figure(sides, tmp_path, treated):
    samples, reason = samples_and_reason(sides, tmp_path, treated)
    assert samples == 0
    assert "24 of 24 objects" in reason


def test_a_right_answer_gets_one(sides, tmp_path):
    assert samples_and_reason(sides, tmp_path, lambda data: data) == (2, None)


def test_what_a_way_leaves_beside_the_replicas_is_wrong_too(sides):
    with Replicas(sides, "replica-left") as replicas, closing(storage_client(sides.storage)) as storage:
        storage.bucket("replica-left").blob("parts/1").upload_from_string(b"temporary")
        with pytest.raises(WrongReplicas, match="parts/1: 9 bytes"):
            replicas.take({})
        replicas.take({})
