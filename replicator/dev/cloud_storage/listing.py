"""One page of a bucket's listing: https://cloud.google.com/storage/docs/json_api/v1/objects/list."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from replicator.dev.cloud_storage.messages import Request, invalid
from replicator.dev.cloud_storage.records import ObjectRecord

_LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page:
    items: Sequence[ObjectRecord]
    prefixes: Sequence[str]
    next_token: str | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list request asks for. `start` is inclusive, `end` exclusive, `after` the last entry already seen."""

    prefix: str
    delimiter: str
    start: str
    end: str
    after: tuple[str, int]
    page_size: int
    versions: bool

    @classmethod
    def from_request(cls, request: Request) -> Listing:
        """Raises ApiError (400)."""
        asked = request.number("maxResults")
        if asked == 0:
            raise invalid("maxResults must be at least 1")
        return cls(
            prefix=request.param("prefix") or "",
            delimiter=request.param("delimiter") or "",
            start=request.param("startOffset") or "",
            end=request.param("endOffset") or "",
            after=_decode(request.param("pageToken")),
            page_size=min(asked or _LARGEST_PAGE, _LARGEST_PAGE),
            versions=request.param("versions") == "true",
        )

    def page(self, records: Sequence[ObjectRecord]) -> Page:
        """`records` is sorted by name. Items and prefixes count towards the page's size alike."""
        items: list[ObjectRecord] = []
        prefixes: list[str] = []
        last = self.after
        for entry, record in self._entries(records):
            if len(items) + len(prefixes) == self.page_size:
                return Page(items, prefixes, _encode(last))
            last = entry
            if record is None:
                prefixes.append(entry[0])
            else:
                items.append(record)
        return Page(items, prefixes, None)

    def _entries(self, records: Sequence[ObjectRecord]) -> Iterator[tuple[tuple[str, int], ObjectRecord | None]]:
        """Each name that matches, with its record; instead of names under a common prefix that prefix, once. Where
        versions are listed too, a name comes once with each generation."""
        last = self.after
        for record in records:
            name = record.name
            if not name.startswith(self.prefix) or name < self.start or (self.end and name >= self.end):
                continue
            found = name.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
            if found < 0:
                entry = name, record.generation if self.versions else 0
            else:
                entry = name[: found + len(self.delimiter)], 0
            if entry > last:
                last = entry
                yield entry, record if found < 0 else None


def _encode(entry: tuple[str, int]) -> str:
    return base64.urlsafe_b64encode(json.dumps(entry).encode()).decode()


def _decode(token: str | None) -> tuple[str, int]:
    if token is None:
        return "", 0
    try:
        name, generation = json.loads(base64.urlsafe_b64decode(token))
        return str(name), int(generation)
    except (ValueError, TypeError) as error:
        raise invalid(f"Invalid value for pageToken: {token!r}") from error
