"""What makes a destination equal to its source, both as they were just seen. Pure."""

from dataclasses import dataclass, replace

from replicator.errors import Permanent
from replicator.fidelity import not_held
from replicator.model import Checksum, DestinationObject, Outcome, Result, SourceKey, SourceObject
from replicator.reasons import Reason
from replicator.receipt import holds, holds_bytes_of
from replicator.rules import Assignment, Deletes, Foreign, Rule, RuleSet

MAX_OBJECT_SIZE = 5 * 1024**4
"""Largest object in Cloud Storage, in bytes (https://cloud.google.com/storage/quotas#objects)."""

HOLDING_THE_SOURCE = frozenset({Result.CREATED, Result.UPDATED, Result.METADATA_UPDATED, Result.UNCHANGED})
"""After these the destination is equal to the source that was seen."""


@dataclass(frozen=True, slots=True)
class Copy:
    """Copy bytes and metadata of `source` over the destination generation `if_generation`; 0 where there is none."""

    source: SourceObject
    if_generation: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class UpdateMetadata:
    """The bytes of `destination` are right: give it headers, metadata and receipt of `source`.

    `checked` is the check that these bytes have passed, now or when they were copied.
    """

    source: SourceObject
    destination: DestinationObject
    reason: Reason
    checked: str


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the replica whose source is gone."""

    destination: DestinationObject


@dataclass(frozen=True, slots=True)
class Nothing:
    """Leave the destination as it is."""

    result: Result
    reason: Reason


Action = Copy | UpdateMetadata | Delete | Nothing


def decide(
    key: SourceKey, destination: DestinationObject | None, source: SourceObject | None, rule: Rule, rules: RuleSet
) -> Action:
    """What makes `destination` equal to `source`, both as just seen, under `rule`, which is one of `rules`. Pure.

    Raises `Permanent` when that would be a copy that cannot or must not be made.
    """
    if destination is None:
        return _copy(source, 0, Reason.DESTINATION_ABSENT) if source else _not_found(Result.UNCHANGED)
    receipt = destination.receipt
    if receipt is None or receipt.source != key:
        return _decide_foreign(destination, source, rule, rules)
    if source is None:
        propagate = rule.deletes is Deletes.PROPAGATE
        return Delete(destination) if propagate else Nothing(Result.KEPT, Reason.DELETES_IGNORED)
    if holds(receipt, source):
        return Nothing(Result.UNCHANGED, Reason.IN_SYNC)
    if holds_bytes_of(receipt, source) and _accepts_custom_time(destination, source):
        return UpdateMetadata(source, destination, Reason.METADATA_CHANGED, receipt.checked)
    return _copy(source, destination.generation, Reason.SOURCE_CHANGED)


def _decide_foreign(destination: DestinationObject, source: SourceObject | None, rule: Rule, rules: RuleSet) -> Action:
    """The destination holds no replica of this source: somebody else's object, or the replica of another source."""
    if source is None:
        return _not_found(Result.KEPT)
    owner = destination.receipt.source if destination.receipt else None
    if owner and rules.claims(owner, destination.name):
        raise Permanent(Reason.DESTINATION_CONFLICT, f"it is the replica of {owner}")
    if (equal := _equal_checksum(destination, source)) and _accepts_custom_time(destination, source):
        return UpdateMetadata(source, destination, Reason.ADOPTED, equal)
    if rule.foreign is Foreign.KEEP:
        return Nothing(Result.KEPT, Reason.FOREIGN_KEPT)
    return _copy(source, destination.generation, Reason.FOREIGN_OVERWRITTEN)


def _not_found(result: Result) -> Nothing:
    return Nothing(result, Reason.SOURCE_NOT_FOUND)


def _copy(source: SourceObject, if_generation: int, reason: Reason) -> Copy:
    if source.size > MAX_OBJECT_SIZE:
        raise Permanent(Reason.SOURCE_TOO_LARGE, f"{source.size} bytes, of at most {MAX_OBJECT_SIZE}")
    if source.archived:
        raise Permanent(Reason.SOURCE_ARCHIVED, f"its storage class is {source.storage_class}")
    return Copy(source, if_generation, reason)


def _accepts_custom_time(destination: DestinationObject, source: SourceObject) -> bool:
    """Cloud Storage lets an object's custom time only move forward; to move it back, the object is written anew.

    https://cloud.google.com/storage/docs/metadata#custom-time
    """
    return destination.custom_time is None or destination.custom_time <= source.last_modified


def _equal_checksum(destination: DestinationObject, source: SourceObject) -> str | None:
    """The algorithm of a checksum that both sides have and that is equal; sizes count, too. Without one, nothing is
    assumed."""
    if source.size != destination.size:
        return None
    if source.checksum == Checksum("CRC32C", destination.crc32c):
        return "CRC32C"
    return "MD5" if source.md5 is not None and source.md5 == destination.md5 else None


@dataclass(frozen=True, slots=True)
class Look:
    """Both sides as they were just seen, the rule that applies to what was seen, and what it asks for."""

    destination: DestinationObject | None
    source: SourceObject | None
    rule: Rule
    action: Action


def judged(
    key: SourceKey,
    assignment: Assignment,
    destination: DestinationObject | None,
    source: SourceObject | None,
    rules: RuleSet,
) -> Look:
    """What both sides, just seen like this, ask for; filters count, too. Pure; raises as `decide`."""
    rule, filtered = assignment.rule_for(source)
    action = Nothing(Result.IGNORED, filtered) if filtered else decide(key, destination, source, rule, rules)
    return Look(destination, source, rule, action)


def announced(look: Look, key: SourceKey, assignment: Assignment) -> Outcome:
    """The outcome of a look's action, as far as it can be told before that is carried out."""
    match look.action:
        case Copy(_, if_generation, reason):
            result = Result.UPDATED if if_generation else Result.CREATED
        case UpdateMetadata(_, _, reason, _):
            result = Result.METADATA_UPDATED
        case Delete():
            result, reason = Result.DELETED, Reason.SOURCE_DELETED
        case Nothing(result, reason):
            pass
    held = look.source if result in HOLDING_THE_SOURCE else None
    return Outcome(
        result,
        reason,
        key,
        assignment.destination,
        look.rule.id,
        generation=look.destination.generation if look.destination else None,
        copied_bytes=look.action.source.size if isinstance(look.action, Copy) else 0,
        version_id=held.version_id if held else None,
        not_held=not_held(held) if held else (),
    )


def foreseen(
    key: SourceKey,
    assignment: Assignment,
    destination: DestinationObject | None,
    source: SourceObject | None,
    rules: RuleSet,
) -> Outcome:
    """What an attempt would come to that saw both sides like this, and writes nothing. Pure; raises as `decide`."""
    look = judged(key, assignment, destination, source, rules)
    return replace(announced(look, key, assignment), dry_run=True)
