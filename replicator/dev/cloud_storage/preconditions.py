"""The conditions a request may set on the generation and metageneration of the live object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from replicator.dev.cloud_storage.messages import ApiError, Request, whole_number
from replicator.dev.cloud_storage.records import ObjectRecord

_MESSAGE = "At least one of the pre-conditions you specified did not hold."


@dataclass(frozen=True, slots=True)
class Preconditions:
    """Evaluated by the store in the same locked step as the write: between the two, nothing can happen.

    https://cloud.google.com/storage/docs/request-preconditions
    """

    generation_match: int | None = None
    generation_not_match: int | None = None
    metageneration_match: int | None = None
    metageneration_not_match: int | None = None

    @classmethod
    def from_request(cls, request: Request, *, source: bool = False) -> Preconditions:
        """`ifGenerationMatch` and its kin, or with `source` `ifSourceGenerationMatch`. Raises ApiError (400)."""
        subject = "Source" if source else ""
        return cls(
            request.number(f"if{subject}GenerationMatch"),
            request.number(f"if{subject}GenerationNotMatch"),
            request.number(f"if{subject}MetagenerationMatch"),
            request.number(f"if{subject}MetagenerationNotMatch"),
        )

    @classmethod
    def from_component(cls, component: Mapping[str, object]) -> Preconditions:
        """A compose source's `objectPreconditions`. Raises ApiError (400)."""
        stated = component.get("objectPreconditions")
        if not isinstance(stated, Mapping):
            return cls()
        return cls(whole_number("ifGenerationMatch", stated.get("ifGenerationMatch")))

    def check(self, live: ObjectRecord | None, *, reading: bool = False) -> None:
        """Raises ApiError: 412 when a match fails, and for a failing non-match 304 to readers, 412 to writers."""
        generation = live.generation if live else 0
        metageneration = live.metageneration if live else None
        if self.generation_match not in (None, generation) or (self.metageneration_match not in (None, metageneration)):
            raise ApiError(412, "conditionNotMet", _MESSAGE, locationType="header", location="If-Match")
        if generation == self.generation_not_match or (
            metageneration is not None and metageneration == self.metageneration_not_match
        ):
            status = 304 if reading else 412
            raise ApiError(status, "conditionNotMet", _MESSAGE, locationType="header", location="If-None-Match")
