"""The destination buckets: made, compared with the source, emptied. None of it is measured."""

import json
from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from urllib.parse import quote

import requests

from replicator.dev.clients import http_session
from tests.bench.network import Sides
from tests.bench.objects import Content

DELETIONS_AT_ONCE = 8


class WrongReplicas(Exception):
    """A way did not make the destination equal to the source: it gets no figure."""


class Replicas:
    """What the two sinks hold of one bucket."""

    def __init__(self, sides: Sides, bucket: str) -> None:
        self._http = http_session()
        self._sides, self._bucket = sides, bucket
        self._objects_url = f"{sides.storage}/storage/v1/b/{bucket}/o"
        made = self._http.post(f"{sides.storage}/storage/v1/b", json={"name": bucket})
        if made.status_code != requests.codes.conflict:  # it is there already
            made.raise_for_status()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._http.close()

    def discard(self) -> None:
        """Deletes what a way that failed has left."""
        self._take_xml()
        self._take_json()

    def take(self, expected: Mapping[str, Content]) -> None:
        """Compares every object's name, size and CRC32C with the source's, and deletes them all, right or wrong.

        Raises `WrongReplicas`.
        """
        found = self._take_xml() | self._take_json()
        if problems := [
            f"{key}: {_shown(found.get(key))}, not {_shown(expected.get(key))}"
            for key in sorted({*found, *expected})
            if found.get(key) != expected.get(key)
        ]:
            raise WrongReplicas(f"{len(problems)} of {len(expected)} objects, among them {'; '.join(problems[:3])}")

    def _take_json(self) -> dict[str, Content]:
        found: dict[str, Content] = {}
        page: str | None = ""
        while page is not None:
            parameters = {"pageToken": page} if page else {}
            listed = self._http.get(self._objects_url, params=parameters)
            listed.raise_for_status()
            answer = listed.json()
            found |= {item["name"]: Content(int(item["size"]), item["crc32c"]) for item in answer.get("items", ())}
            page = answer.get("nextPageToken")
        with ThreadPoolExecutor(DELETIONS_AT_ONCE) as pool:
            list(pool.map(self._delete, found))
        return found

    def _delete(self, name: str) -> None:
        self._http.delete(f"{self._objects_url}/{quote(name, safe='')}").raise_for_status()

    def _take_xml(self) -> dict[str, Content]:
        held: dict[str, tuple[int, int]] = json.loads(self._http.get(self._sides.storage_xml).content)
        return {
            name.removeprefix(f"{self._bucket}/"): Content(size, b64encode(crc.to_bytes(4)).decode())
            for name, (size, crc) in held.items()
        }


def _shown(content: Content | None) -> str:
    return f"{content.size} bytes with CRC32C {content.crc32c}" if content else "nothing"
