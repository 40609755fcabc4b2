"""The engine behind every door: the rules say what may be replicated, the retry policy how often it is tried."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from time import sleep

import tenacity

from replicator.deadline import Deadline
from replicator.errors import Transient
from replicator.model import Outcome, Result, SourceKey
from replicator.reasons import Reason
from replicator.reconcile import Reconciler
from replicator.rules import Rule, rule_for


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The only retry around an attempt; the SDKs retry single requests. Delays are in seconds, and jittered.

    Attempt n + 1 begins `delay` * `backoff` ** (n - 1) after attempt n failed, unless that is past the deadline.
    """

    max_retries: int
    delay: float
    backoff: float
    sleep: Callable[[float], None] = sleep

    def run(self, attempt: Callable[[], Outcome], deadline: Deadline) -> Outcome:
        """Runs `attempt` until it does not raise `Transient`; raises its last error when it never does."""
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Transient),
            stop=_stop_after(1 + self.max_retries, deadline),
            wait=tenacity.wait_exponential(multiplier=self.delay, exp_base=self.backoff)
            + tenacity.wait_random(0, self.delay / 2),
            sleep=self.sleep,
            reraise=True,
        )
        outcome = retrying(attempt)
        return replace(outcome, attempts=retrying.statistics["attempt_number"])


def _stop_after(attempts: int, deadline: Deadline) -> Callable[[tenacity.RetryCallState], bool]:
    return lambda state: state.attempt_number >= attempts or deadline.remaining <= state.upcoming_sleep


@dataclass(frozen=True, slots=True)
class Engine:
    """Replicates what the rules name. One per process; safe to call from several threads."""

    rules: tuple[Rule, ...]
    reconciler: Reconciler
    retry: RetryPolicy
    deadline_seconds: float

    def new_deadline(self) -> Deadline:
        """The time that one request has, from now on, for all it asks for."""
        return Deadline.after(self.deadline_seconds)

    def replicate(self, key: SourceKey, deadline: Deadline) -> Outcome:
        """Makes the destination of `key` equal to it. Raises `Permanent`, or `Transient` when time or tries ran out.

        A bucket that no rule names is neither read nor written: the outcome says that it was ignored.
        """
        rule = rule_for(self.rules, key)
        if rule is None:
            return Outcome(Result.IGNORED, Reason.BUCKET_NOT_IN_RULES, key)
        outcome = self.retry.run(lambda: self.reconciler.reconcile(key, rule, deadline), deadline)
        if outcome.attempts > 1 and outcome.result is Result.UNCHANGED and outcome.reason is Reason.SOURCE_NOT_FOUND:
            # An earlier attempt's insert, whose answer was lost, may still land. The next delivery looks again.
            raise Transient(Reason.DESTINATION_UNAVAILABLE, "a write of an earlier attempt may still be under way")
        return outcome

    def checks(self) -> Mapping[str, Callable[[], None]]:
        """One check for each bucket the rules name, by its URI; a check raises when its bucket cannot be used."""
        source, destination = self.reconciler.source, self.reconciler.destination
        sources = {bucket for rule in self.rules for bucket in rule.source_buckets}
        destinations = {rule.destination_bucket for rule in self.rules}
        return {f"s3://{bucket}": partial(source.check, bucket) for bucket in sorted(sources)} | {
            f"gs://{bucket}": partial(destination.check, bucket) for bucket in sorted(destinations)
        }
