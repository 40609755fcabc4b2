"""The protocol: make one destination object equal to its source object, whatever else happens meanwhile.

An event only says "look". Every round looks at the destination, then at the source, decides, and carries the decision
out pinned to the source state it saw and conditional on the destination it saw. After a write it looks at the source
once more. Nothing depends on the order, the number or the content of events. For a small object that is probably new
the first round does without the first look, and requires that there is no destination.

Each guard earns its place:

- The destination is looked at *before* the source. Otherwise a good replica is deleted on a judgement that was
  already out of date when its generation was read.
- Reads are pinned to the source state. Otherwise the receipt names one version and the bytes are another's.
- Writes are conditional on what was seen. Otherwise a slow worker covers a newer object with an older one.
- The last look. Otherwise a change whose own worker found nothing to do, because our write was still in flight, is
  lost. A decision to do nothing needs none: it leaves nothing behind.
"""

from contextlib import suppress
from dataclasses import dataclass, field, replace

from replicator.deadline import Deadline
from replicator.errors import Moved, Permanent, Transient, Unfinished
from replicator.fidelity import attributes_of, not_held
from replicator.model import Checksum, DestinationObject, Outcome, Result, SourceKey, SourceObject
from replicator.ports import Body, Destination, Source
from replicator.reasons import Reason
from replicator.receipt import holds, holds_bytes_of
from replicator.rules import Assignment, Deletes, Foreign, Rule, RuleSet, require_valid_name
from replicator.transfer import Transfer

SHORTCUT_MAX_SIZE = 64 * 1024
"""Up to this many bytes an object is written without a look at its destination, as if it were new. Where it is not, the
bytes were moved in vain: for larger ones that would cost more than the look (docs/requests.md)."""

MAX_ROUNDS = 10
"""Rounds before the attempt gives way, to be repeated later."""

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


@dataclass(frozen=True, slots=True)
class Look:
    """Both sides as they were just seen, the rule that applies to what was seen, and what it asks for."""

    destination: DestinationObject | None
    source: SourceObject | None
    rule: Rule
    action: Action


Requirement = tuple[int, int | None]
"""Generation and metageneration at which the destination has to be; a copy does not care for the second."""


@dataclass(slots=True)
class Trail:
    """What earlier rounds and attempts for one destination have left: that there were any, the write that is done, what
    those require that got no answer, and bytes that did not match their checksum.

    A write without an answer may still be carried out, as long as the destination is as it requires.
    """

    fresh: bool = True
    written: Outcome | None = None
    unanswered: set[Requirement] = field(default_factory=set)
    mismatch: Transient | None = None


@dataclass(frozen=True, slots=True)
class Reconciler:
    """The protocol between one source side and one destination side."""

    source: Source
    destination: Destination
    transfer: Transfer
    rules: RuleSet

    def reconcile(self, key: SourceKey, assignment: Assignment, deadline: Deadline, trail: Trail) -> Outcome:
        """One attempt to make a destination of `key` equal to it. May be repeated, with the same `trail`, and run
        concurrently, at will.

        Raises `Permanent` when it is refused, and `Transient` when it failed or both sides kept moving.
        """
        require_valid_name(assignment.destination)
        rounds = [self._round] * MAX_ROUNDS
        if trail.fresh:
            trail.fresh = False
            rounds[0] = self._short_round
        for take in rounds:
            deadline.check()
            with suppress(Moved):
                if outcome := take(key, assignment, deadline, trail):
                    return outcome
        raise Transient(Reason.CONTENTION)

    def _short_round(self, key: SourceKey, assignment: Assignment, deadline: Deadline, trail: Trail) -> Outcome | None:
        """A round for an object that is probably small and new: one request reads state and bytes, the next writes them
        if there is no destination. `None` when it is not for that, or both sides have to be looked at again.

        Only for a source that is there: that of one that is not would leave its replica.
        """
        with self.source.read(key) as found:
            if found is None:
                return None
            source, body = found
            if source.size > SHORTCUT_MAX_SIZE or source.archived:
                return None
            look = _judged(key, assignment, None, source, self.rules)
            if not isinstance(look.action, Copy):
                return None
            self._carry_out(look, look.action, key, assignment, deadline, trail, body)
        return self._last_look(look, key, trail)

    def _round(self, key: SourceKey, assignment: Assignment, deadline: Deadline, trail: Trail) -> Outcome | None:
        """`None` when both sides have to be looked at again."""
        look = self._look(key, assignment)
        outcome: Outcome | None
        if isinstance(look.action, Nothing):
            left, outcome = look.destination, trail.written or _announced(look, key, assignment)
        else:
            left = self._carry_out(look, look.action, key, assignment, deadline, trail)
            outcome = self._last_look(look, key, trail)
        if outcome and trail.unanswered and (look.source is None or not trail.unanswered.isdisjoint(_met_by(left))):
            # What is right now may be wrong in a moment: where the source is gone, a write that requires that there is
            # no replica can come true again and again. Only a later look can tell.
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "an earlier write may still be under way")
        return outcome

    def _last_look(self, look: Look, key: SourceKey, trail: Trail) -> Outcome | None:
        return trail.written if self.source.stat(key) == look.source else None

    def foresee(self, key: SourceKey, assignment: Assignment, deadline: Deadline) -> Outcome:
        """What `reconcile` would do now. Writes nothing; raises what it would raise before it wrote."""
        require_valid_name(assignment.destination)
        deadline.check()
        destination = self.destination.stat(assignment.destination)
        return foreseen(key, assignment, destination, self.source.stat(key), self.rules)

    def _look(self, key: SourceKey, assignment: Assignment) -> Look:
        destination = self.destination.stat(assignment.destination)
        return _judged(key, assignment, destination, self.source.stat(key), self.rules)

    def _carry_out(
        self,
        look: Look,
        action: Copy | UpdateMetadata | Delete,
        key: SourceKey,
        assignment: Assignment,
        deadline: Deadline,
        trail: Trail,
        body: Body | None = None,
    ) -> DestinationObject | None:
        """Writes, says so in the trail, and returns what the destination is then. Raises `Moved` when what the decision
        rests on no longer holds; nothing was written then."""
        done, left = _announced(look, key, assignment), None
        try:
            match action:
                case Copy(source, if_generation):
                    plan = self.transfer.plan(source, assignment.destination, look.rule)
                    attributes = attributes_of(source, look.rule.placement, plan.checked)
                    left = self.transfer.copy(
                        plan, source, assignment.destination, attributes, if_generation, deadline, body
                    )
                    done = replace(done, path=plan.path, path_reason=plan.reason, checked=plan.checked)
                case UpdateMetadata(source, destination, _, checked):
                    attributes = attributes_of(source, look.rule.placement, checked)
                    left = self.destination.update_metadata(destination, attributes)
                case Delete(destination):
                    self.destination.delete(destination)
        except Transient as error:
            trail.unanswered.add(_required_by(action))
            if error.reason is Reason.CHECKSUM_MISMATCH:
                trail.mismatch = error
            raise
        except Unfinished:
            if trail.mismatch:
                # It got ahead only because it had to begin again: that may go on for ever, and is a failure.
                raise trail.mismatch from None
            raise
        copied_before = trail.written.copied_bytes if trail.written else 0
        trail.written = replace(
            done, generation=left.generation if left else None, copied_bytes=done.copied_bytes + copied_before
        )
        return left


def _required_by(action: Copy | UpdateMetadata | Delete) -> Requirement:
    if isinstance(action, Copy):
        return action.if_generation, None
    return action.destination.generation, action.destination.metageneration


def _met_by(destination: DestinationObject | None) -> set[Requirement]:
    if destination is None:
        return {(0, None)}
    return {(destination.generation, None), (destination.generation, destination.metageneration)}


def foreseen(
    key: SourceKey,
    assignment: Assignment,
    destination: DestinationObject | None,
    source: SourceObject | None,
    rules: RuleSet,
) -> Outcome:
    """What an attempt would come to that saw both sides like this. Pure; raises as `decide`."""
    look = _judged(key, assignment, destination, source, rules)
    return replace(_announced(look, key, assignment), dry_run=True)


def _judged(
    key: SourceKey,
    assignment: Assignment,
    destination: DestinationObject | None,
    source: SourceObject | None,
    rules: RuleSet,
) -> Look:
    rule, filtered = assignment.rule_for(source)
    action = Nothing(Result.IGNORED, filtered) if filtered else decide(key, destination, source, rule, rules)
    return Look(destination, source, rule, action)


def _announced(look: Look, key: SourceKey, assignment: Assignment) -> Outcome:
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
