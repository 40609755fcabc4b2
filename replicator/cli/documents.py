"""What `--json` prints, under the names that the service's answers use."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from replicator.errors import Permanent, ReplicationError
from replicator.explain import Explanation, Prospect, Verdict
from replicator.model import DestinationName, DestinationObject, Failure, Outcome, SourceKey, SourceObject
from replicator.status import Status, object_fields, status_fields
from replicator.telemetry import failure_fields, outcome_fields

Document = dict[str, Any]


def encoded(document: Document) -> str:
    """In ASCII, so that it is the same on every terminal and no key can hold a control character."""
    return json.dumps(document)


def copy_document(key: SourceKey, results: Sequence[Outcome | Failure], seconds: float) -> Document:
    return {
        "source": str(key),
        "duration_seconds": round(seconds, 3),
        "outcomes": [result_document(result) for result in results],
    }


def check_document(found: Mapping[str, ReplicationError | None]) -> Document:
    """As `GET /ready` answers it under `checks`, but with what it is that a bucket cannot be used for."""
    return {bucket: error_fields(error) if error else "ok" for bucket, error in found.items()}


def status_document(status: Status) -> Document:
    return status_fields(status)


def source_status_document(explanation: Explanation) -> Document:
    """For each destination of a source object what `status_document` says of one."""
    return _key(explanation) | {"destinations": [_prospect(found) for found in explanation.prospects]}


def explanation_document(explanation: Explanation) -> Document:
    """`state` is absent where S3 was not asked, because no rule is for the key."""
    document = _key(explanation) | {"rules": [_verdict(verdict) for verdict in explanation.verdicts]}
    if explanation.prospects:
        document["state"] = _state(explanation.found)
        document["destinations"] = [
            _prospect(found) | {"foreseen": result_document(found.foreseen)} for found in explanation.prospects
        ]
    return document


def error_document(subject: SourceKey | DestinationName | None, error: ReplicationError) -> Document:
    """What prevented a command as a whole, perhaps one that is about no object."""
    failed = {"result": "failed"} | error_fields(error)
    if subject is None:
        return failed
    return {"source" if isinstance(subject, SourceKey) else "destination": str(subject)} | failed


def _key(explanation: Explanation) -> Document:
    document: Document = {"source": str(explanation.source)}
    if explanation.mismatch:
        document |= {"reason": str(explanation.mismatch), "detail": explanation.mismatch.explanation}
    return document


def result_document(result: Outcome | Failure) -> Document:
    """What became, or would become, of one destination."""
    if isinstance(result, Failure):
        return failure_fields(result) | error_fields(result.error)
    return outcome_fields(result) | {"detail": result.reason.explanation}


def error_fields(error: ReplicationError) -> Document:
    """Why something failed."""
    return {
        "reason": str(error.reason),
        "detail": error.reason.explained(error.detail),
        "permanent": isinstance(error, Permanent),
    }


def _verdict(verdict: Verdict) -> Document:
    return {
        "rule": verdict.rule.id,
        "priority": verdict.rule.priority,
        "applies": verdict.applies,
        "reason": str(verdict.reason) if verdict.reason else None,
        "detail": verdict.detail or None,
        "destination": str(verdict.destination) if verdict.destination else None,
    }


def _state(found: SourceObject | ReplicationError | None) -> Document:
    if found is None:
        return {"exists": False}
    if isinstance(found, ReplicationError):
        return {"exists": None} | error_fields(found)
    return {
        "exists": True,
        "etag": found.etag,
        "version_id": found.version_id,
        "last_modified": found.last_modified.isoformat(),
        "size": found.size,
        "storage_class": found.storage_class,
        "archived": found.archived,
        "checksum": found.checksum.algorithm if found.checksum else None,
    }


def _prospect(prospect: Prospect) -> Document:
    found, error = prospect.found, prospect.foreseen
    return {
        "destination": str(prospect.destination),
        "in_sync": prospect.in_sync,
        "exists": None if isinstance(found, ReplicationError) else found is not None,
        "reason": str(prospect.reason),
        "detail": prospect.reason.explained(error.error.detail if isinstance(error, Failure) else ""),
        **(object_fields(found) if isinstance(found, DestinationObject) else {}),
    }
