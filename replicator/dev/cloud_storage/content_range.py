"""The Content-Range of a request to a resumable session."""

from __future__ import annotations

import re
from dataclasses import dataclass

from replicator.dev.cloud_storage.messages import invalid

_FORM = re.compile(r"bytes (?:(?P<first>\d+)-(?P<last>\d+|\*)|\*)/(?P<total>\d+|\*)")


@dataclass(frozen=True, slots=True)
class ContentRange:
    """`first` None asks how far the upload got; `last` None is the end of the body; `total` None is not known."""

    first: int | None
    last: int | None
    total: int | None

    @classmethod
    def parse(cls, header: str | None, body_length: int | None) -> ContentRange:
        """Without a header the body is the whole object. Raises ApiError (400) for a range that makes no sense."""
        if header is None:
            return cls(0, None, body_length)
        match = _FORM.fullmatch(header.strip())
        if match is None:
            raise invalid(f"Failed to parse the Content-Range header {header!r}")
        numbers = match.group("first", "last", "total")
        first, last, total = (None if text in (None, "*") else int(text) for text in numbers)
        if first is not None and last is None and body_length is not None:
            last = first + body_length - 1
            total = first + body_length if total is None else total
        if first is not None and last is not None and (last + 1 < first or (total is not None and last >= total)):
            raise invalid(f"The Content-Range header {header!r} contradicts itself")
        if first is not None and last is not None and body_length not in (None, last - first + 1):
            raise invalid(f"The Content-Range header {header!r} does not fit a body of {body_length} bytes")
        return cls(first, last, total)

    @property
    def is_final(self) -> bool:
        """Whether the object ends with this request."""
        return self.last is None or self.last + 1 == self.total
