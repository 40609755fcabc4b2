"""One page of a bucket's listing: https://cloud.google.com/storage/docs/json_api/v1/objects/list."""

from __future__ import annotations

import base64
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
    after: str
    page_size: int

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
            after=_decode(request.param("pageToken") or ""),
            page_size=min(asked or _LARGEST_PAGE, _LARGEST_PAGE),
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
                prefixes.append(entry)
            else:
                items.append(record)
        return Page(items, prefixes, None)

    def _entries(self, records: Sequence[ObjectRecord]) -> Iterator[tuple[str, ObjectRecord | None]]:
        """Each name that matches, with its record; instead of names under a common prefix that prefix, once."""
        last = self.after
        for record in records:
            name = record.name
            if not name.startswith(self.prefix) or name < self.start or (self.end and name >= self.end):
                continue
            found = name.find(self.delimiter, len(self.prefix)) if self.delimiter else -1
            entry = name if found < 0 else name[: found + len(self.delimiter)]
            if entry > last:
                last = entry
                yield entry, record if found < 0 else None


def _encode(entry: str) -> str:
    return base64.urlsafe_b64encode(entry.encode()).decode()


def _decode(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token).decode()
    except ValueError as error:
        raise invalid(f"Invalid value for pageToken: {token!r}") from error
