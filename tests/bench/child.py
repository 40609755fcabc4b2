"""A process of the bench: it says when it is ready, and answers each line of JSON with one."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ENDING_SECONDS = 20


class ChildError(Exception):
    """A process ended, or refused, when it was to work."""


class Child:
    """Runs `command`, whose first line on stdout is the JSON object `ready`. Everything else it says goes to `log`.

    It ends by itself when its stdin does.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._name, self._log = Path(command[-1]).name, log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                cwd=log.parent,  # where there is no `.env` of somebody's real service
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        try:
            self.ready = self._answer()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, **question: Any) -> dict[str, Any]:
        """Raises `ChildError`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question) + "\n")
        except OSError as error:
            raise ChildError(f"{self._name}: gone; {self._last_words()}") from error
        answer = self._answer()
        if "error" in answer:
            raise ChildError(f"{self._name}: {answer['error']}")
        return answer

    def stop(self) -> None:
        """May be repeated."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):  # it was gone before it took the last line
            self._process.stdin.close()
        try:
            self._process.wait(ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise ChildError(f"{self._name}: ended; {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:].strip() or "it said nothing"
