"""An EventBridge API destination: carries events to an HTTP endpoint.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import requests

from replicator.dev.clients import http_session
from replicator.dev.deliveries import Backoff, Deliveries

TIMEOUT = 5
"""Seconds that an endpoint has to answer."""

BACKOFF = Backoff(0.2, 5)
HEADERS = {"User-Agent": "Amazon/EventBridge/ApiDestinations", "Content-Type": "application/json; charset=utf-8"}


Event = Mapping[str, Any]


class ApiDestination(Deliveries[Event]):
    """Sends each event to `url`, with the connection's own header.

    429, 5xx and silence are tried again, `max_attempts` times in all; any other status but success drops the event at
    once. `report` gets a line about each event that is dropped.
    """

    def __init__(
        self,
        url: str,
        header: tuple[str, str],
        report: Callable[[str], None],
        *,
        backoff: Backoff = BACKOFF,
        max_attempts: int = 15,
        concurrency: int = 4,
    ) -> None:
        super().__init__("eventbridge", backoff, concurrency)
        self._url, self._report, self._max_attempts = url, report, max_attempts
        self._headers = {**HEADERS, header[0]: header[1]}
        self._http = http_session()

    def deliver(self, item: Event, attempt: int) -> bool:
        status = self._post(item)
        if isinstance(status, int) and 200 <= status < 300:
            return True
        if (isinstance(status, str) or status == 429 or status >= 500) and attempt < self._max_attempts:
            return False
        self._report(f"EventBridge dropped the event {item['id']} after attempt {attempt}: {status}")
        return True

    def _post(self, event: Event) -> int | str:
        """The status, or what happened instead of an answer."""
        body = json.dumps(event, ensure_ascii=False).encode()
        try:
            return self._http.post(
                self._url, data=body, headers=self._headers, timeout=TIMEOUT, allow_redirects=False
            ).status_code
        except requests.RequestException as error:
            return type(error).__name__
