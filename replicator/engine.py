"""The engine behind every door: the rules say what may be replicated, the retry policy how often it is tried."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import partial
from time import sleep
from typing import TypeVar

import tenacity

from replicator.deadline import Deadline
from replicator.ending import Ending
from replicator.errors import DestinationMoved, Permanent, ReplicationError, Transient, unexpected
from replicator.explain import Explanation, explain
from replicator.model import DestinationName, DestinationObject, Failure, Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler, Trail
from replicator.rules import Assignment, RuleSet, require_valid_name
from replicator.status import Status, status_of

T = TypeVar("T")


DESTINATIONS_AT_ONCE = 16
"""Destinations of one key that are made equal side by side; of more, some wait."""

CHECKED_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The only retry around an attempt; the SDKs retry single requests. Delays are in seconds, and jittered.

    Attempt n + 1 begins `delay` * `backoff` ** (n - 1) after attempt n failed, unless that is past the deadline.
    """

    max_retries: int
    delay: float
    backoff: float
    sleep: Callable[[float], None] = sleep

    def retrying(self, deadline: Deadline) -> tenacity.Retrying:
        """Calls what it is given until that does not raise `Transient`; raises its last error when it always does."""
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            stop=_stop_after(1 + self.max_retries, deadline),
            wait=tenacity.wait_exponential(multiplier=self.delay, exp_base=self.backoff)
            + tenacity.wait_random(0, self.delay / 2),
            sleep=self.sleep,
            reraise=True,
        )


def _stop_after(attempts: int, deadline: Deadline) -> Callable[[tenacity.RetryCallState], bool]:
    return lambda state: state.attempt_number >= attempts or deadline.remaining <= state.upcoming_sleep


@dataclass(frozen=True, slots=True)
class Engine:
    """Replicates what the rules name. One per process; safe to call from several threads."""

    rules: RuleSet
    reconciler: Reconciler
    retry: RetryPolicy
    deadline_seconds: float
    ending: Ending = field(default_factory=Ending)

    def new_deadline(self) -> Deadline:
        """The time that one request has, from now on, for all it asks for."""
        return Deadline.after(self.deadline_seconds, ending=self.ending)

    def replicate(
        self, key: SourceKey, deadline: Deadline, to: DestinationName | None = None, *, dry_run: bool = False
    ) -> tuple[Outcome | Failure, ...]:
        """Makes each destination of `key`, or the one named by `to`, equal to it: an outcome or a failure for each.

        Destinations are independent: what fails for one neither delays nor undoes another. What no rule names is
        neither read nor written: the one outcome says that it was ignored. A `dry_run` writes nothing.
        """
        if to is None:
            assignments = self.rules.assignments(key)
        else:
            assignment = self.rules.assignment_to(key, to)
            assignments = (assignment,) if assignment else ()
        if not assignments:
            reason = Reason.BUCKET_NOT_IN_RULES if to else self.rules.mismatch(key)
            return (Outcome(Result.IGNORED, reason, key, to, dry_run=dry_run),)
        make_equal = partial(self._make_equal, key, deadline, dry_run)
        if len(assignments) == 1:
            return (make_equal(assignments[0]),)
        with ThreadPoolExecutor(min(len(assignments), DESTINATIONS_AT_ONCE)) as pool:
            running = [pool.submit(copy_context().run, make_equal, assignment) for assignment in assignments]
            return tuple(future.result() for future in running)

    def status(self, name: DestinationName) -> Status:
        """Whether a destination object is in sync with the source that its receipt names.

        Raises `Permanent(bucket_not_in_rules, destination_name_invalid or destination_not_found)`.
        """
        self._require_ours(name)
        return status_of(name, self.reconciler.destination, self.reconciler.source, self.rules)

    def explain(self, key: SourceKey) -> Explanation:
        """What each rule says of `key`, what both sides hold, and what `replicate` would do now. Writes nothing.

        Where no rule is for the key, neither side is read. What cannot be read is part of the explanation.
        """
        destinations = {
            assignment.destination: _seen(partial(self._find, assignment.destination))
            for assignment in self.rules.assignments(key)
        }
        source = _seen(partial(self.reconciler.source.stat, key)) if destinations else None
        return explain(key, source, destinations, self.rules)

    def delete(self, name: DestinationName, if_generation: int | None = None) -> Outcome:
        """Deletes a replica because somebody asks for it, if it is at `if_generation`, or else as it is now.

        Raises `Permanent` when there is none, when it has no receipt of ours, or when it has moved on.
        """
        self._require_ours(name)
        found = self.reconciler.destination.stat(name)
        if found is None:
            raise Permanent(Reason.DESTINATION_NOT_FOUND)
        if found.receipt is None:
            raise Permanent(Reason.DESTINATION_FOREIGN)
        try:
            if if_generation not in (None, found.generation):
                raise DestinationMoved
            self.reconciler.destination.delete(found)
        except DestinationMoved:
            raise Permanent(Reason.DESTINATION_MOVED) from None
        return Outcome(
            Result.DELETED, Reason.DELETED_ON_REQUEST, found.receipt.source, name, generation=found.generation
        )

    def check(self) -> Mapping[str, ReplicationError | None]:
        """Why a bucket of the rules cannot be used, or `None`, by its URI. One that hangs does not hold up another."""
        source, destination = self.reconciler.source, self.reconciler.destination
        checks = {f"s3://{bucket}": partial(source.check, bucket) for bucket in sorted(self.rules.source_buckets)} | {
            f"gs://{bucket}": partial(destination.check, bucket) for bucket in sorted(self.rules.destination_buckets)
        }
        with ThreadPoolExecutor(min(len(checks), CHECKED_AT_ONCE)) as pool:
            running = {uri: pool.submit(copy_context().run, _problem_with, check) for uri, check in checks.items()}
            return {uri: future.result() for uri, future in running.items()}

    def _make_equal(
        self, key: SourceKey, deadline: Deadline, dry_run: bool, assignment: Assignment
    ) -> Outcome | Failure:
        retrying = self.retry.retrying(deadline)
        try:
            if dry_run:
                outcome = retrying(self.reconciler.foresee, key, assignment, deadline)
            else:
                outcome = retrying(self.reconciler.reconcile, key, assignment, deadline, Trail())
            return replace(outcome, attempts=retrying.statistics["attempt_number"])
        except Exception as error:
            known = error if isinstance(error, ReplicationError) else unexpected(error)
            attempts = retrying.statistics["attempt_number"]
            return Failure(known, key, assignment.destination, assignment.only_rule, attempts)

    def _find(self, name: DestinationName) -> DestinationObject | None:
        require_valid_name(name)
        return self.reconciler.destination.stat(name)

    def _require_ours(self, name: DestinationName) -> None:
        """A name that Cloud Storage cannot hold is not asked for: `..` would lead its URL somewhere else."""
        if name.bucket not in self.rules.destination_buckets:
            raise Permanent(Reason.BUCKET_NOT_IN_RULES)
        require_valid_name(name)


def _problem_with(check: Callable[[], None]) -> ReplicationError | None:
    try:
        check()
    except ReplicationError as error:
        return error
    except Exception as error:
        return unexpected(error)
    return None


def _seen(look: Callable[[], T]) -> T | ReplicationError:
    try:
        return look()
    except ReplicationError as error:
        return error
