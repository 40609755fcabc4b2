"""The command line as processes of its own."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from replicator.dev.cloud_storage import CloudStorageServer


@dataclass
class CommandLine:
    """Runs `python -m replicator` in an empty folder."""

    s3: Any
    storage: CloudStorageServer
    folder: Path
    variables: dict[str, str]

    def run(
        self, *arguments: str, program: tuple[str, ...] = ("-m", "replicator"), **variables: str
    ) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, *program, *arguments],
            cwd=self.folder,
            env=self.variables | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def start(
        self, *arguments: str, program: tuple[str, ...] = ("-m", "replicator"), **streams: Any
    ) -> subprocess.Popen[str]:
        command = [sys.executable, *program, *arguments]
        return subprocess.Popen(command, cwd=self.folder, env=self.variables, text=True, **streams)

    def replica(self, name: str, bucket: str = "replica-bucket") -> bytes | None:
        url = f"{self.storage.url}/storage/v1/b/{bucket}/o/{requests.utils.quote(name, safe='')}"
        answer = requests.get(url, params={"alt": "media"}, timeout=60)
        return answer.content if answer.ok else None

    def writes(self) -> int:
        return sum(served.method != "GET" for served in self.storage.requests)
