"""A front end before several services, as Cloud Run has one: it hands each push to one of them, and counts."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Thread
from typing import Self
from urllib.parse import urlsplit

from replicator.dev.push import ACKNOWLEDGED

TIMEOUT = 60
"""Seconds that a service has for an answer: the subscription's ack deadline."""

NOBODY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


class Front:
    """Listens on loopback, and asks `services` for the URLs of those that there are, in turn.

    `attempts` counts the deliveries of each message, `statuses` what they came to: 502 is a service that was killed.
    `acknowledged` holds the ids of the messages that are done with.
    """

    def __init__(self, services: Callable[[], Sequence[str]]) -> None:
        self._services = services
        self.attempts: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.acknowledged: set[str] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="front", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=256)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await reader.readexactly(_length(head))
                message_id = json.loads(body)["message"]["messageId"]
                self.attempts[message_id] += 1
                answer = await self._forwarded(head + body)
                status = int(answer.split(b" ", 2)[1])
                self.statuses[status] += 1
                if status in ACKNOWLEDGED:
                    self.acknowledged.add(message_id)
                writer.write(answer)
        writer.close()

    async def _forwarded(self, request: bytes) -> bytes:
        """The service's answer as it is."""
        services = self._services()
        service = urlsplit(services[self.attempts.total() % len(services)])
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await asyncio.open_connection(service.hostname, service.port)
                try:
                    writer.write(request)
                    head = await reader.readuntil(b"\r\n\r\n")
                    return head + await reader.readexactly(_length(head))
                finally:
                    writer.close()
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            return NOBODY


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0
