"""SeaweedFS as S3: a real server in a process of its own, with objects in a folder."""

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from replicator.dev.clients import AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
from tests.bench import places

SERVICES = ("s3", "master", "volume", "filer")
STARTING_SECONDS = 60
VOLUME_MIB = 1024
VOLUMES = 64


@contextmanager
def seaweed(folder: Path) -> Iterator[str]:
    """The URL of S3. It knows the one key that the ways sign with, so that it checks their signatures as S3 does."""
    weed = places.found("weed")
    if weed is None:
        raise SystemExit("SeaweedFS is missing: `make bench` installs it")
    config = folder / "s3.json"
    keys = {"accessKey": AWS_ACCESS_KEY_ID, "secretKey": AWS_SECRET_ACCESS_KEY}
    identity = {"name": "bench", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
    config.write_text(json.dumps({"identities": [identity]}))
    (folder / "volumes").mkdir()
    ports = dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))
    grpc_ports = dict(zip(SERVICES, _free_ports(len(SERVICES)), strict=True))
    command = [weed, "server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-s3.config={config}"]
    command += [f"-dir={folder / 'volumes'}", f"-volume.max={VOLUMES}", f"-master.volumeSizeLimitMB={VOLUME_MIB}"]
    command += ["-s3.port.iceberg=0", "-s3.port.lance=0"]
    for service in SERVICES:
        command += [f"-{service}.port={ports[service]}", f"-{service}.port.grpc={grpc_ports[service]}"]
    url = f"http://127.0.0.1:{ports['s3']}"
    with (folder / "seaweed.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=places.base_environment(), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait_for(url, process, folder / "seaweed.log")
        yield url
    finally:
        process.kill()  # it would tidy up first what is thrown away
        process.wait()


def _free_ports(count: int) -> list[int]:
    """It takes no port 0. That somebody else takes one of these in between is unlikely, and seen at once."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [bound.getsockname()[1] for bound in sockets]


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until S3 answers; that it refuses an unsigned request is an answer."""
    opener = build_opener(ProxyHandler({}))
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            opener.open(url, timeout=1).close()
            return
        except HTTPError as refused:
            refused.close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"SeaweedFS does not answer:\n{log.read_text(errors='replace')[-2000:]}")
