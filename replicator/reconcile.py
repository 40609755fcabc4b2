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
from replicator.decide import Copy, Delete, Look, Nothing, UpdateMetadata, announced, foreseen, judged
from replicator.errors import Moved, Transient, Unfinished
from replicator.fidelity import attributes_of
from replicator.model import DestinationObject, Outcome, SourceKey
from replicator.ports import Body, Destination, Source
from replicator.reasons import Reason
from replicator.rules import Assignment, RuleSet, require_valid_name
from replicator.transfer import Transfer

SHORTCUT_MAX_SIZE = 64 * 1024
"""Up to this many bytes an object is written without a look at its destination, as if it were new. Where it is not, the
bytes were moved in vain: for larger ones that would cost more than the look (docs/requests.md)."""

MAX_ROUNDS = 10
"""Rounds before the attempt gives way, to be repeated later."""

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
            look = judged(key, assignment, None, source, self.rules)
            if not isinstance(look.action, Copy):
                return None
            self._carry_out(look, look.action, key, assignment, deadline, trail, body)
        return self._last_look(look, key, trail)

    def _round(self, key: SourceKey, assignment: Assignment, deadline: Deadline, trail: Trail) -> Outcome | None:
        """`None` when both sides have to be looked at again."""
        look = self._look(key, assignment)
        outcome: Outcome | None
        if isinstance(look.action, Nothing):
            left, outcome = look.destination, trail.written or announced(look, key, assignment)
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
        return judged(key, assignment, destination, self.source.stat(key), self.rules)

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
        done, left = announced(look, key, assignment), None
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
