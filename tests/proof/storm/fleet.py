"""Service processes under gunicorn, and the hand that kills them."""

import os
import random
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Self

from replicator.dev.services import Service
from tests.service.gunicorn import gunicorn

WHOLE_GROUP_EVERY = 10
"""Every so many kills it is not a worker, but a service with all its processes, and a new one takes its place."""


class Fleet:
    """`size` services. From `kill_from_now_on` until the end a worker is killed every `seconds`.

    `kills` counts them.
    """

    def __init__(self, size: int, s3_url: str, storage_url: str, variables: Mapping[str, str]) -> None:
        self._start = lambda folder: gunicorn(folder, s3_url, storage_url, **variables)
        self._size = size
        self._running: list[tuple[Service, ExitStack] | None] = []
        self._ended = Event()
        self._killer: Thread | None = None
        self.kills: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._place = ExitStack()
        self._folder = Path(self._place.enter_context(tempfile.TemporaryDirectory(prefix="storm-")))
        try:
            self._running = [self._started() for _ in range(self._size)]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._killer is not None:
            self._killer.join()
        running = [started for started in self._running if started]
        for service, _ in running:
            service.tell_to_end()  # all, before any is waited for
        for _, place in running:
            place.close()
        self._place.close()

    def urls(self) -> list[str]:
        """Of those that run. Whoever is killed is among them until that shows."""
        return [started[0].url for started in list(self._running) if started]

    def kill_from_now_on(self, seconds: float, chance: random.Random) -> None:
        self._killer = Thread(target=self._kill, args=(seconds, chance), name="killer")
        self._killer.start()

    def _kill(self, seconds: float, chance: random.Random) -> None:
        while not self._ended.wait(seconds):
            place = chance.randrange(self._size)
            started = self._running[place]
            assert started
            service, running = started
            if (self.kills.total() + 1) % WHOLE_GROUP_EVERY == 0:
                self._running[place] = None
                os.killpg(service.process_id, signal.SIGKILL)
                self.kills["service"] += 1
                running.close()
                self._running[place] = self._started()
                continue
            for worker in children(service.process_id):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    self.kills["worker"] += 1

    def _started(self) -> tuple[Service, ExitStack]:
        running = ExitStack()
        return running.enter_context(self._start(self._folder)), running


def children(process_id: int) -> list[int]:
    """The processes that this one has started, as Linux lists them, or else ps."""
    listed = Path(f"/proc/{process_id}/task/{process_id}/children")
    if listed.exists():
        return [int(child) for child in listed.read_text().split()]
    found = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (line.split() for line in found.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == process_id]
