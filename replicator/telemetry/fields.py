"""The fields of outcomes and failures, named alike in logs and answers."""

from collections.abc import Mapping
from typing import Any

from replicator.errors import ReplicationError, Unfinished
from replicator.model import Failure, Outcome


def outcome_fields(outcome: Outcome) -> dict[str, Any]:
    """An outcome as logs and answers show it: what there is nothing to say of is left out."""
    return present(
        {
            "result": str(outcome.result),
            "reason": str(outcome.reason),
            "rule": outcome.rule,
            "source": str(outcome.source),
            "destination": str(outcome.destination) if outcome.destination else None,
            "generation": str(outcome.generation) if outcome.generation else None,
            "bytes": outcome.copied_bytes,
            "path": outcome.path,
            "path_reason": outcome.path_reason,
            "checked": outcome.checked,
            "attempts": outcome.attempts,
            "version_id": outcome.version_id,
            "not_held": list(outcome.not_held) or None,
            "dry_run": outcome.dry_run or None,
        }
    )


def failure_fields(failure: Failure) -> dict[str, Any]:
    """A failure as logs and answers show it, beside the error itself."""
    return present(
        {
            "result": "failed",
            "rule": failure.rule,
            "source": str(failure.source),
            "destination": str(failure.destination) if failure.destination else None,
            "attempts": failure.attempts,
            **progress_fields(failure.error),
        }
    )


def progress_fields(error: ReplicationError) -> dict[str, int]:
    """How far a copy got that is not finished: bytes of the object, and how many it has."""
    return {"copied": error.copied, "size": error.size} if isinstance(error, Unfinished) else {}


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
