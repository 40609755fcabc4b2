"""What happened lately, and what happens from now on, for any number of readers."""

import json
import secrets
from collections import deque
from collections.abc import Iterator, Mapping
from threading import Condition
from typing import Any

KEPT = 300
"""How many outcomes a page that is opened late still gets."""

HEARTBEAT_SECONDS = 10.0
"""A comment is sent this often: writing is how the server learns that a reader is gone."""

Message = Mapping[str, Any]


class Hub:
    """Messages in order, as Server-Sent Events. May be used from any thread; `publish` never waits for a reader.

    Only the last messages are kept, so that a reader who is too slow misses some, and costs no memory.
    """

    def __init__(self, kept: int = KEPT, heartbeat: float = HEARTBEAT_SECONDS) -> None:
        self._run = secrets.token_hex(4)
        self._heartbeat = heartbeat
        self._changed = Condition()
        self._messages: deque[tuple[int, str]] = deque(maxlen=kept)
        self._last = 0
        self._closed = False

    def publish(self, message: Message) -> None:
        text = json.dumps(message, ensure_ascii=False)  # one line: JSON has no raw line ends
        with self._changed:
            self._last += 1
            self._messages.append((self._last, text))
            self._changed.notify_all()

    def close(self) -> None:
        """Ends every stream, those that begin later too."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def stream(self, last_event_id: str = "") -> Iterator[str]:
        """The events after that one, or, where it is not of this run, `begin` and all that are kept; then what comes.

        https://html.spec.whatwg.org/multipage/server-sent-events.html
        """
        seen = self._number(last_event_id)
        if seen is None:
            seen = 0
            yield "event: begin\ndata: {}\n\n"
        else:
            yield ": resumed\n\n"
        while (messages := self._after(seen)) is not None:
            yield "".join(self._event(*message) for message in messages) or ": still here\n\n"
            seen = messages[-1][0] if messages else seen

    def _after(self, seen: int) -> list[tuple[int, str]] | None:
        """Waits for at most a heartbeat; `None` when the hub is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._last > seen, self._heartbeat)
            return None if self._closed else [message for message in self._messages if message[0] > seen]

    def _event(self, number: int, text: str) -> str:
        return f"id: {self._run}-{number}\nevent: outcome\ndata: {text}\n\n"

    def _number(self, event_id: str) -> int | None:
        run, _, number = event_id.partition("-")
        return int(number) if run == self._run and number.isascii() and number.isdigit() else None
