"""What the commands print for people."""

from collections.abc import Iterator, Mapping

from replicator.errors import ReplicationError
from replicator.explain import Explanation, Prospect, Verdict
from replicator.model import DestinationObject, Failure, Outcome, Receipt, SourceObject
from replicator.reasons import Reason
from replicator.status import Status


def printable(text: str) -> str:
    """A key may hold any character: those that a terminal would obey are written as escapes."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def result_line(result: Outcome | Failure, seconds: float) -> str:
    """One destination of a copy: what became of it and why, from where to where, and what was moved."""
    if isinstance(result, Failure):
        return failure_line(result)
    facts = [
        f"{result.copied_bytes} bytes",
        _path_text(result),
        f"checked {result.checked}" if result.checked else None,
    ]
    facts += [f"{seconds:.2f} s", f"not held: {', '.join(result.not_held)}" if result.not_held else None]
    known = ", ".join(fact for fact in facts if fact)
    return f"{_happening(result):9} {way(result)}  {result.reason}: {result.reason.explanation} [{known}]"


def failure_line(failure: Failure) -> str:
    """One destination that failed; of an error that nobody foresaw also its kind, since there is no log."""
    cause = failure.error.__cause__ if failure.error.reason is Reason.UNEXPECTED else None
    kind = f" [{type(cause).__name__}]" if cause else ""
    return f"failed    {way(failure)}  {error_text(failure.error)}{kind}"


def foreseen_text(result: Outcome | Failure) -> str:
    """What would become of one destination, and why."""
    if isinstance(result, Failure):
        return f"would fail: {error_text(result.error)}"
    lost = f" (not held: {', '.join(result.not_held)})" if result.not_held else ""
    return f"would be {result.result}: {result.reason}: {result.reason.explanation}{lost}"


def way(result: Outcome | Failure) -> str:
    """From where to where."""
    return f"{result.source} -> {result.destination}" if result.destination else str(result.source)


def error_text(error: ReplicationError) -> str:
    return f"{error.reason}: {error.reason.explained(error.detail)}"


def check_lines(found: Mapping[str, ReplicationError | None]) -> Iterator[str]:
    """Every bucket, and what is wrong with it."""
    for bucket, error in found.items():
        yield f"{'failed' if error else 'ok':9} {bucket}" + (f"  {error_text(error)}" if error else "")


def status_lines(status: Status) -> Iterator[str]:
    """A destination object that was asked for by its own name."""
    yield f"{'in sync' if status.in_sync else 'not in sync':11} {status.destination.name}"
    yield f"    {status.reason}: {status.reason.explanation}"
    yield f"    {_object_text(status.destination)}"


def source_status_lines(explanation: Explanation) -> Iterator[str]:
    """Every destination of a source object."""
    if explanation.mismatch:
        yield f"{'no rule':11} {explanation.source}"
        yield f"    {explanation.mismatch}: {explanation.mismatch.explanation}"
    for prospect in explanation.prospects:
        yield f"{_sync_text(prospect):11} {prospect.destination}"
        yield f"    {_reason_text(prospect)}"
        if isinstance(prospect.found, DestinationObject):
            yield f"    {_object_text(prospect.found)}"


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    yield str(explanation.source)
    yield ""
    yield "Rules, the first to apply first"
    for verdict in explanation.verdicts:
        yield f"    {_verdict_text(verdict)}"
    yield ""
    yield "Source"
    if explanation.mismatch:
        yield f"    not asked for: {explanation.mismatch}: {explanation.mismatch.explanation}"
        return
    yield f"    {_source_text(explanation.found)}"
    for prospect in explanation.prospects:
        yield ""
        yield str(prospect.destination)
        yield f"    there  {_found_text(prospect)}"
        yield f"    now    {foreseen_text(prospect.foreseen)}"


def _path_text(outcome: Outcome) -> str | None:
    """The path, and what decided it where that was not just the size."""
    unusual = outcome.path_reason not in (None, "size")
    return f"{outcome.path} because of {outcome.path_reason}" if unusual else outcome.path


def _happening(outcome: Outcome) -> str:
    return f"{outcome.result} (dry run)" if outcome.dry_run else str(outcome.result)


def _sync_text(prospect: Prospect) -> str:
    if isinstance(prospect.foreseen, Failure):
        return "failed"
    if prospect.filtered:
        return "filtered"
    return "in sync" if prospect.in_sync else "not in sync"


def _verdict_text(verdict: Verdict) -> str:
    name = f"{verdict.rule.id} (priority {verdict.rule.priority})"
    if verdict.applies:
        return f"{name}  applies, to {verdict.destination}"
    if verdict.applies is None:
        return f"{name}  depends on the object, which could not be read; its destination is {verdict.destination}"
    return f"{name}  does not apply: {verdict.reason}: {verdict.detail}"


def _source_text(found: SourceObject | ReplicationError | None) -> str:
    if found is None:
        return "absent"
    if isinstance(found, ReplicationError):
        return error_text(found)
    facts = [
        f"{found.size} bytes",
        f"etag {found.etag}",
        f"version {found.version_id}" if found.version_id else None,
        f"modified {found.last_modified.isoformat()}",
        f"{found.storage_class}{', archived' if found.archived else ''}",
        f"checksum {found.checksum.algorithm}" if found.checksum else "no checksum of the whole object",
    ]
    return ", ".join(fact for fact in facts if fact)


def _found_text(prospect: Prospect) -> str:
    match prospect.found:
        case None:
            return "nothing"
        case DestinationObject() as found:
            return _object_text(found)
        case error:
            return error_text(error)


def _object_text(found: DestinationObject) -> str:
    receipt = f"receipt for {_receipt_text(found.receipt)}" if found.receipt else "no receipt of ours"
    return f"{found.size} bytes, generation {found.generation}, {receipt}"


def _receipt_text(receipt: Receipt) -> str:
    version = f", version {receipt.version_id}" if receipt.version_id else ""
    modified = receipt.last_modified.isoformat()
    return f"{receipt.source}, etag {receipt.etag}{version}, modified {modified}, checked {receipt.checked}"


def _reason_text(prospect: Prospect) -> str:
    if isinstance(prospect.foreseen, Failure):
        return error_text(prospect.foreseen.error)
    return f"{prospect.reason}: {prospect.reason.explanation}"
