"""Sends a small object through the whole path: S3, EventBridge, ingest, Pub/Sub, replicate, Cloud Storage.

It is put into the source with the operator's own AWS credentials, since the service's may not write; its replica is
looked for as the service would. Whatever happens, it is taken away again.
"""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from threading import Event
from typing import Protocol

from replicator.deadline import Deadline
from replicator.doctor.finding import Check, Finding, failed, ok, warning
from replicator.errors import Moved, Permanent, ReplicationError
from replicator.model import DestinationName, DestinationObject, SourceKey
from replicator.ports import Destination
from replicator.rules import Deletes, Rule, RuleSet

NAME = "replicator-canary-"
MAX_BYTES = 1024**2
"""A rule for larger objects only is not tried: a canary should cost nothing."""
PAUSE = 0.5
"""Seconds between two looks."""


class Writer(Protocol):
    """Writes the source. Raises `Permanent` and `Transient`."""

    def put(self, key: SourceKey, data: bytes, tags: Mapping[str, str]) -> str | None:
        """The version that came to be, where the bucket keeps any."""

    def delete(self, key: SourceKey, version: str | None = None) -> str | None:
        """Deletes the object, or one of its versions for good; returns a delete marker's version, if one came to be."""


@dataclass(frozen=True, slots=True)
class Canary:
    """One object of one rule. `data` is what its rule asks for, `destination` where it has to appear."""

    rule: Rule
    key: SourceKey
    data: bytes
    destination: DestinationName


def canary_of(rule: Rule, bucket: str, rules: RuleSet, name: str | None = None) -> Canary | None:
    """`None` where no small object passes the rule's filter, or another rule comes first for it."""
    wanted, prefix = rule.filter, max((rule.source_prefix, rule.filter.prefix), key=len)
    key = SourceKey(bucket, f"{prefix}{name or NAME + secrets.token_hex(8)}{wanted.suffix}")
    size = wanted.min_size or len(NAME)
    fits = size <= MAX_BYTES and (wanted.max_size is None or size <= wanted.max_size)
    if not fits or rule.mismatch_of_key(key) is not None:
        return None
    destination = rule.destination(key)
    [assignment] = [found for found in rules.assignments(key) if found.destination == destination]
    return Canary(rule, key, bytes(size), destination) if assignment.rules[0] == rule else None


@dataclass(frozen=True, slots=True)
class Flight:
    """How canaries fly: `seconds` is how long each of the two waits may take. Once `ended` is set they land at once."""

    writer: Writer
    destination: Destination
    seconds: float
    ended: Event
    sleep: Callable[[float], object]
    clock: Callable[[], float] = time.monotonic

    def fly(self, canary: Canary) -> Iterator[Finding]:
        """Puts it, waits for its replica, deletes it, and waits for that to follow the rule. Leaves nothing behind."""
        subject = str(canary.key)
        try:
            version = self.writer.put(canary.key, canary.data, canary.rule.filter.tags)
        except ReplicationError as error:
            yield unwritten(canary, error)
            return
        left: list[str | None] = [version]
        try:
            yield ok(Check.CANARY_WRITTEN, subject, f"{len(canary.data)} bytes were put.")
            yield from self._follow(canary, left)
        finally:
            self._clean_up(canary, left)

    def _follow(self, canary: Canary, left: list[str | None]) -> Iterator[Finding]:
        subject = f"{canary.key} -> {canary.destination}"
        found, seconds = self._wait(canary, lambda replica: replica is not None)
        if found is None:
            yield failed(
                Check.CANARY_REPLICATED, subject, f"There is no replica after {seconds:.0f} s.", explain(canary)
            )
            return
        if found.receipt is None or found.receipt.source != canary.key:
            yield failed(Check.CANARY_REPLICATED, subject, "There is an object, but not with a receipt for it.")
            return
        yield ok(Check.CANARY_REPLICATED, subject, f"Its replica was there after {seconds:.1f} s, with its receipt.")
        if canary.rule.deletes is not Deletes.PROPAGATE:
            yield ok(Check.CANARY_DELETED, subject, "The rule keeps replicas; this one is deleted by hand.")
            return
        left.append(self.writer.delete(canary.key))
        found, seconds = self._wait(canary, lambda replica: replica is None)
        if found is not None:
            said = f"It was deleted, and its replica is still there after {seconds:.0f} s."
            yield failed(Check.CANARY_DELETED, subject, said, explain(canary))
        else:
            yield ok(Check.CANARY_DELETED, subject, f"Its replica was gone {seconds:.1f} s after it.")

    def _wait(
        self, canary: Canary, enough: Callable[[DestinationObject | None], bool]
    ) -> tuple[DestinationObject | None, float]:
        """What there is once it is enough, or when the time is up; and after how many seconds."""
        begun, deadline = self.clock(), Deadline.after(self.seconds, self.clock)
        while True:
            found = self.destination.stat(canary.destination)
            if enough(found) or deadline.remaining <= 0 or self.ended.is_set():
                return found, self.clock() - begun
            self.sleep(min(PAUSE, max(0.0, deadline.remaining)))

    def _clean_up(self, canary: Canary, left: list[str | None]) -> None:
        """First the source, so that nothing is replicated anew; then its versions, then the replica."""
        _try(lambda: self.writer.delete(canary.key) if len(left) == 1 else None, left)
        for version in left:
            if version:
                _try(lambda: self.writer.delete(canary.key, version), [])  # noqa: B023  called at once
        _try(lambda: self._delete_replica(canary), [])

    def _delete_replica(self, canary: Canary) -> None:
        """Ours alone: it has a receipt for the canary."""
        found = self.destination.stat(canary.destination)
        if found is not None and found.receipt is not None and found.receipt.source == canary.key:
            self.destination.delete(found)


def explain(canary: Canary) -> str:
    """What says why there is no replica, or still one."""
    return f"python -m replicator explain {quote(str(canary.key))}"


def unwritten(canary: Canary, error: ReplicationError) -> Finding:
    """It could not even begin; somebody who may write does it by hand."""
    said = f"It could not be put: {error.reason.explained(error.detail)} --canary-profile names who may."
    key = quote(str(canary.key))
    by_hand = f"echo canary | aws s3 cp - {key} && sleep 60 && python -m replicator status {key}"
    if isinstance(error, Permanent):
        return failed(Check.CANARY_WRITTEN, str(canary.key), said, by_hand)
    return warning(Check.CANARY_WRITTEN, str(canary.key), said, by_hand)


def _try(clean: Callable[[], str | None], left: list[str | None]) -> None:
    """What cannot be cleaned up must not hide what was found."""
    try:
        if version := clean():
            left.append(version)
    except (ReplicationError, Moved):
        return
