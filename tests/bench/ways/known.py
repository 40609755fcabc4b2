"""Every way, by its name."""

from tests.bench.ways.gcloud import Gcloud
from tests.bench.ways.library import OBSTORE, naive
from tests.bench.ways.ours import Door, OneByOne, engine
from tests.bench.ways.rclone import Rclone
from tests.bench.ways.way import Way


def known_ways() -> dict[str, Way]:
    ours = engine("ours", "replicator: the engine", stream=False)
    door = Door("ours-http", "replicator: over HTTP", stream=False)
    listed: list[Way] = [
        ours,
        engine("ours-stream", "replicator: the engine, path stream", stream=True),
        door,
        Door("ours-http-stream", "replicator: over HTTP, path stream", stream=True),
        OneByOne("ours-one-by-one", "replicator: the engine, one after another", ours),
        OneByOne("ours-http-one-by-one", "replicator: over HTTP, one after another", door),
        Rclone(),
        Gcloud(),
        OBSTORE,
        naive("upload-from-file", "naive: upload_from_file"),
        naive("blob-open", "naive: blob.open"),
        naive("read-all", "naive: read, upload_from_string"),
    ]
    return {way.name: way for way in listed}
