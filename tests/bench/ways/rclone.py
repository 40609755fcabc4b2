"""rclone, as the daemon that it can be (`rclone rcd`): it is warm when the clock starts, as a service is."""

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import requests

from replicator.dev.clients import AWS_ACCESS_KEY_ID, AWS_REGION, AWS_SECRET_ACCESS_KEY, http_session
from tests.bench import places
from tests.bench.usage import Memory, peak_memory
from tests.bench.ways.way import Started, Task

STARTING_SECONDS = 20
CONFIGURATION = """\
[source]
type = s3
provider = SeaweedFS
endpoint = {sides.s3}
access_key_id = {key}
secret_access_key = {secret}
region = {region}
force_path_style = true

[destination]
type = google cloud storage
endpoint = {sides.storage}/storage/v1/
anonymous = true
bucket_policy_only = true
"""


class Rclone:
    """Its defaults, and as many transfers and checkers as objects are to be copied at once. It is told that the buckets
    exist, which saves it requests."""

    name = "rclone"
    title = "rclone"

    def missing(self) -> str | None:
        return None if places.found("rclone") else "rclone is not installed: `make bench` does it"

    @contextmanager
    def start(self, task: Task) -> Iterator[Started]:
        file = task.folder / "rclone.conf"
        file.write_text(
            CONFIGURATION.format(
                sides=task.sides, key=AWS_ACCESS_KEY_ID, secret=AWS_SECRET_ACCESS_KEY, region=AWS_REGION
            )
        )
        command = [str(places.found("rclone")), "rcd", "--rc-no-auth", "--rc-addr=127.0.0.1:0", f"--config={file}"]
        at_once = max(4, task.at_once)  # its default
        command += [f"--transfers={at_once}", f"--checkers={max(8, at_once)}"]
        command += ["--s3-no-check-bucket", "--gcs-no-check-bucket"]
        log = task.folder / "rclone.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                command, env=task.environment(), cwd=task.folder, stdout=output, stderr=output, start_new_session=True
            )
        try:
            with http_session() as http:
                yield _Daemon(process.pid, _address(log, process), http, task)
        finally:
            process.terminate()
            process.wait()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    """It takes a free port, and says which."""
    deadline = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"Serving remote control on (http://\S+)", log.read_text()):
            return found[1]
        time.sleep(0.02)
    raise RuntimeError(f"rclone does not start: {log.read_text()[-1000:]}")


class _Daemon:
    def __init__(self, pid: int, url: str, http: requests.Session, task: Task) -> None:
        self.pid, self._url, self._http = pid, url, http
        self._source = f"source:{task.source_bucket}"
        self._destination = f"destination:{task.destination_bucket}"

    def copy(self, keys: Sequence[str]) -> None:
        """One object by its name, or a folder that has no other objects."""
        if len(keys) == 1:
            sides = {"srcFs": self._source, "dstFs": self._destination, "srcRemote": keys[0], "dstRemote": keys[0]}
            self._call("operations/copyfile", sides)
        else:
            folder = PurePosixPath(keys[0]).parent
            self._call("sync/copy", {"srcFs": f"{self._source}/{folder}", "dstFs": f"{self._destination}/{folder}"})

    def peak(self) -> Memory:
        return peak_memory(self.pid)

    def _call(self, command: str, parameters: dict[str, str]) -> None:
        answer = self._http.post(f"{self._url}{command}", json=parameters)
        if not answer.ok:
            raise RuntimeError(f"rclone: {answer.text[:500]}")
