"""The real service, in processes of its own, as the container starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

import requests

from replicator.dev.clients import http_session
from replicator.dev.errors import StackError
from replicator.dev.sockets import url_of

ROOT = Path(__file__).resolve().parents[2]
"""Where `main.py` is."""

STARTING_SECONDS = 60
ENDING_SECONDS = 12
"""Longer than gunicorn's graceful timeout."""


class Service:
    """One function target under gunicorn, on a bound socket that it inherits.

    Of the lines it prints, `outcome` gets those that say what became of an event or a call, and `other` the rest. `die`
    is called once, with its last words, if it ends before it is told to.
    """

    def __init__(
        self,
        target: str,
        bound: socket.socket,
        environment: Mapping[str, str],
        outcome: Callable[[Mapping[str, Any]], None],
        other: Callable[[str], None],
        die: Callable[[str], None],
    ) -> None:
        self.url = url_of(bound)
        self._target, self._bound, self._environment = target, bound, environment
        self._outcome, self._other, self._die = outcome, other, die
        self._last_words: deque[str] = deque(maxlen=10)
        self._told_to_end = Event()
        self._running: tuple[subprocess.Popen[str], Thread] | None = None

    def start(self, folder: Path) -> None:
        """Starts it in `folder`, where there is no `.env` of somebody's real service."""
        command = [sys.executable, "-m", "gunicorn", "--config", "python:replicator.server", "--no-control-socket"]
        descriptor = self._bound.fileno()
        process = subprocess.Popen(
            [*command, "--bind", f"fd://{descriptor}", "functions_framework:create_app()"],
            cwd=folder,
            env={
                **self._environment,
                "FUNCTION_TARGET": self._target,
                "FUNCTION_SOURCE": str(ROOT / "main.py"),
                "PYTHONPATH": str(ROOT),
                "PYTHONUTF8": "1",
            },
            pass_fds=[descriptor],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,  # Ctrl-C at the terminal is for us; we end our children in order
        )
        self._bound.close()  # nobody would accept what connects to it once the service is gone
        assert process.stdout is not None  # noqa: S101  it is a pipe
        listener = Thread(target=self._listen, args=(process, process.stdout), name=self._target, daemon=True)
        listener.start()
        self._running = process, listener

    @property
    def process_id(self) -> int:
        """Of gunicorn's master, which leads the group of all its processes. Raises `RuntimeError` before the start."""
        if self._running is None:
            raise RuntimeError("the service was not started")
        return self._running[0].pid

    def wait_until_healthy(self, ended: Event) -> None:
        """Returns when `/health` answers, or when `ended` is set. Raises `StackError` if that takes too long."""
        deadline = time.monotonic() + STARTING_SECONDS
        with http_session() as http:
            while not ended.wait(0.05):
                with suppress(requests.RequestException):
                    if http.get(f"{self.url}/health", timeout=1).ok:
                        return
                if time.monotonic() > deadline:
                    raise StackError(f"{self._target} does not answer; its last output:\n{self._said()}")

    def tell_to_end(self) -> None:
        """Returns at once. May be called at any time."""
        self._told_to_end.set()
        if self._running is not None:
            self._running[0].terminate()

    def stop(self) -> None:
        """Lets it finish what it is doing, for a while; then nothing of it is left. May be called at any time."""
        self.tell_to_end()
        if self._running is None:
            return
        process, listener = self._running
        try:
            process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        listener.join()

    def _listen(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        """Until the last process that holds the pipe is gone."""
        with output:
            for line in output:
                if (fields := _outcome(line)) is not None:
                    self._outcome(fields)
                else:
                    self._last_words.append(line)
                    self._other(line.rstrip("\n"))
        code = process.wait()
        if not self._told_to_end.is_set():
            self._die(f"{self._target} ended with exit code {code}; its last output:\n{self._said()}")

    def _said(self) -> str:
        return "".join(list(self._last_words)).rstrip() or "(nothing)"


def _outcome(line: str) -> dict[str, Any] | None:
    """The fields of a structured line with a result, and nothing for any other line."""
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and "result" in fields else None
