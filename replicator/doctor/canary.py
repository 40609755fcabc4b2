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
from replicator.doctor.finding import WITHOUT_KEYS, Check, Finding, failed, ok, warning
from replicator.errors import Moved, Permanent, ReplicationError
from replicator.model import DestinationName, DestinationObject, SourceKey
from replicator.ports import Destination
from replicator.rules import Deletes, Rule, RuleSet

NAME = "replicator-canary-"
MAX_BYTES = 1024**2
"""A rule for larger objects only is not tried: a canary should cost nothing."""
PAUSE = 0.5
"""Seconds between two looks."""
UNKNOWN = "unknown"
"""The version of what was put without an answer."""


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


@dataclass(slots=True)
class Left:
    """What a canary leaves in its source: where the bucket keeps versions, its own and that of its delete marker."""

    version: str | None
    marker: str | None = None
    deleted: bool = False


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
        try:
            version = self.writer.put(canary.key, canary.data, canary.rule.filter.tags)
        except ReplicationError as error:
            yield unwritten(canary, error)
            if not _certainly_unwritten(error):
                yield self._clean_up(canary, Left(UNKNOWN))
            return
        left = Left(version)
        try:
            yield ok(Check.CANARY_WRITTEN, str(canary.key), f"{len(canary.data)} bytes were put.")
            yield from self._follow(canary, left)
        except ReplicationError as error:
            said = f"This could not be looked at: {error.reason.explained(error.detail)}"
            yield warning(Check.CANARY_REPLICATED, str(canary.key), said)
        finally:
            removed = self._clean_up(canary, left)
        yield removed

    def _follow(self, canary: Canary, left: Left) -> Iterator[Finding]:
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
        left.marker, left.deleted = self.writer.delete(canary.key), True
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

    def _clean_up(self, canary: Canary, left: Left) -> Finding:
        """First the source, so that nothing is replicated anew; then its versions, then the replica."""
        commands = []
        if not left.deleted:
            try:
                left.marker = self.writer.delete(canary.key)
            except ReplicationError:
                commands.append(_deletion(canary.key))
        if left.version is UNKNOWN and left.marker:  # which only hides it: without the marker it would be back
            commands.append(
                f"aws s3api list-object-versions --bucket {canary.key.bucket} --prefix {quote(canary.key.key)}"
            )
        else:
            commands += [
                _deletion(canary.key, version)
                for version in (left.version, left.marker)
                if version and not self._deleted(canary.key, version)
            ]
        try:
            self._delete_replica(canary)
        except (ReplicationError, Moved):
            commands.append(f"gcloud storage rm {quote(str(canary.destination))}")
        if not commands:
            return ok(Check.CANARY_REMOVED, str(canary.key), "Nothing of it is left.")
        said = "Some of it could not be deleted, and may be left."
        return warning(Check.CANARY_REMOVED, str(canary.key), said, "; ".join(commands))

    def _deleted(self, key: SourceKey, version: str) -> bool:
        """What cannot be cleaned up must not hide what was found."""
        try:
            self.writer.delete(key, version)
        except ReplicationError:
            return False
        return True

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
    if _certainly_unwritten(error):
        return failed(Check.CANARY_WRITTEN, str(canary.key), said, by_hand)
    return warning(Check.CANARY_WRITTEN, str(canary.key), said, by_hand)


def _certainly_unwritten(error: ReplicationError) -> bool:
    """What got no answer may have been put all the same."""
    return isinstance(error, Permanent) or error.reason in WITHOUT_KEYS


def _deletion(key: SourceKey, version: str | None = None) -> str:
    which = f" --version-id {quote(version)}" if version else ""
    return f"aws s3api delete-object --bucket {key.bucket} --key {quote(key.key)}{which}"
