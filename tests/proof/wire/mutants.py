"""Guards of the service taken away, one at a time, and the cells that show it."""

from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from replicator.adapters import gcs_requests, s3_object
from replicator.adapters.gcs import GcsDestination
from replicator.adapters.gcs_requests import JsonApi
from replicator.adapters.pubsub import PubsubPublisher
from replicator.adapters.s3_body import S3Body
from replicator.adapters.s3_parts import PartsChecksums
from replicator.engine import Engine
from replicator.errors import Permanent, Transient
from replicator.model import Outcome, Result
from replicator.reasons import Reason
from replicator.transfer import checksums
from replicator.transfer.temporaries import Temporaries
from replicator.web import answers

Patch = pytest.MonkeyPatch


@dataclass(frozen=True, slots=True)
class Mutant:
    """`breaks` takes the guard away; the cell whose id begins with `cell` complains then, among other things."""

    breaks: Callable[[Patch], None]
    cell: str
    complaint: str


def skips_the_checksums(patch: Patch) -> None:
    patch.setattr(checksums, "_compare", lambda expected, computed: None)


def swallows_truncations(patch: Patch) -> None:
    """And the checksums with them, which would tell."""
    readinto = S3Body.readinto

    def satisfied(self: S3Body, buffer: memoryview) -> int:
        try:
            return readinto(self, buffer)
        except Transient:
            return min(self._left, len(buffer))

    patch.setattr(S3Body, "readinto", satisfied)
    skips_the_checksums(patch)


def takes_failures_for_success(patch: Patch) -> None:
    send = JsonApi.send

    def contented(self: JsonApi, *arguments: object, **more: object) -> object:
        try:
            return send(self, *arguments, **more)  # type: ignore[arg-type]
        except Transient:
            return SimpleNamespace(data=b"")

    patch.setattr(JsonApi, "send", contented)


def acknowledges_before_it_has_published(patch: Patch) -> None:
    publish = PubsubPublisher.publish

    def hasty(self: PubsubPublisher, data: bytes, attributes: dict[str, str]) -> str:
        try:
            return publish(self, data, attributes)
        except Transient:
            return "4711"

    patch.setattr(PubsubPublisher, "publish", hasty)


def takes_rubbish_for_a_refusal(patch: Patch) -> None:
    patch.setattr(s3_object, "not_s3", lambda: Permanent(Reason.SOURCE_REFUSED))


def blames_the_source(patch: Patch) -> None:
    patch.setattr(gcs_requests, "RETRY", lambda send: send)
    unavailable = Transient(Reason.SOURCE_UNAVAILABLE)
    patch.setattr(gcs_requests, "_translated", lambda refused, not_found: not_found or unavailable)


def stores_too_little(patch: Patch) -> None:
    insert = GcsDestination.insert

    def truncating(self, name, data, _crc, *rest):  # type: ignore[no-untyped-def]
        return insert(self, name, data[:-1], checksums.crc32c(data[:-1]), *rest)

    patch.setattr(GcsDestination, "insert", truncating)


def does_nothing(patch: Patch) -> None:
    patch.setattr(
        Engine, "replicate", lambda self, key, *rest, **more: (Outcome(Result.UNCHANGED, Reason.IN_SYNC, key),)
    )


def meets_the_unforeseen(patch: Patch) -> None:
    def translated(refused: object, not_found: object) -> None:
        raise RuntimeError("text of an error")

    patch.setattr(gcs_requests, "RETRY", lambda send: send)
    patch.setattr(gcs_requests, "_translated", translated)


def tells_the_text_of_errors(patch: Patch) -> None:
    translated = gcs_requests._translated

    def telling(refused: gcs_requests.Refused, not_found: Exception | None) -> Exception:
        error = translated(refused, not_found)
        return Transient(error.reason, refused.text.decode()) if isinstance(error, Transient) else error

    patch.setattr(gcs_requests, "RETRY", lambda send: send)
    patch.setattr(gcs_requests, "_translated", telling)


def does_not_say_when_to_come_back(patch: Patch) -> None:
    patch.setattr(answers, "RETRY_AFTER_SECONDS", "later")


def leaves_its_parts(patch: Patch) -> None:
    compose = GcsDestination.compose

    def keeping(self, *arguments, delete_components=False):  # type: ignore[no-untyped-def]
        return compose(self, *arguments, delete_components=False)

    patch.setattr(GcsDestination, "compose", keeping)
    patch.setattr(Temporaries, "sweep", lambda self, workers, deadline: None)


def takes_expired_keys_for_a_missing_permission(patch: Patch) -> None:
    patch.setattr(PartsChecksums, "_head_of_part", lambda self, asked: self._client.head_object(**asked))


DRIP = "small and new: first last look: slow drip"
FAILED_INSERT = "small and new: first insert: 503: , lasting"

MUTANTS = (
    Mutant(skips_the_checksums, "small and new: first first GET: garbage: other bytes", "something wrong was visible"),
    Mutant(skips_the_checksums, "stream: first pinned GET: garbage: other bytes", "something wrong was visible"),
    Mutant(skips_the_checksums, "parts: last ranged GET: garbage: other bytes", "something wrong was visible"),
    Mutant(swallows_truncations, "small and new: first first GET: truncation: middle", "something wrong was visible"),
    Mutant(swallows_truncations, "stream: first pinned GET: reset: middle", "the content is not the source's"),
    Mutant(swallows_truncations, "parts: last ranged GET: truncation: last", "the content is not the source's"),
    Mutant(takes_failures_for_success, "deleted: first delete: 503: , lasting", "the content is not the source's"),
    Mutant(acknowledges_before_it_has_published, "ingested: first publish (ingest): 503: , lasting", "the event was"),
    Mutant(
        takes_rubbish_for_a_refusal, "small and new: first last look: garbage: a bare head, lasting", "a failure of"
    ),
    Mutant(blames_the_source, FAILED_INSERT, "the wrong side is blamed"),
    Mutant(stores_too_little, DRIP, "the content is not the source's"),
    Mutant(does_nothing, DRIP, "the fault did not happen"),
    Mutant(meets_the_unforeseen, FAILED_INSERT, "nobody foresaw this failure"),
    Mutant(tells_the_text_of_errors, FAILED_INSERT, "an answer has"),
    Mutant(tells_the_text_of_errors, FAILED_INSERT, "the lines have"),
    Mutant(does_not_say_when_to_come_back, FAILED_INSERT, "503 without Retry-After"),
    Mutant(leaves_its_parts, "parts: first compose: slow drip", "temporary objects are left"),
    Mutant(
        takes_expired_keys_for_a_missing_permission,
        "parts of an upload without checksums: first part HEAD: expired credentials",
        "the bytes were not checked",
    ),
)
