"""Path `parts`: ranges of a large object are copied in parallel to temporary objects, which are composed in a tree.

The temporary objects are all the state there is. Their names say what they hold (`tree`), so any attempt, on any
instance, after any crash, finds what is there and does the rest. Two at once do no harm: every write is conditional.
Only the last composition touches the destination name, under the destination's own condition, and after everything is
verified.
"""

import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from functools import partial
from math import inf

from replicator.deadline import Deadline
from replicator.errors import DestinationMoved, SourceMoved, Transient, Unfinished
from replicator.model import DestinationObject
from replicator.reasons import Reason
from replicator.receipt import holds_bytes_of
from replicator.transfer.checksums import PartsDigest
from replicator.transfer.job import Job
from replicator.transfer.memory import Loan, Memory
from replicator.transfer.reading import read_into
from replicator.transfer.temporaries import Piece, Temporaries
from replicator.transfer.tree import Node, tree_for

FEWEST_AT_ONCE, MOST_AT_ONCE = 4, 32
"""Parts and compositions of one object that are under way at once, as far as the memory budget allows."""

ANSWER_TIME_FOR_ONE = 0.0015
"""Seconds of waiting for an answer that are worth one part more at once: the further away the two sides are, the less a
single connection brings. Near by, more parts at once would only cost more CPU (docs/benchmarks.md)."""

MAX_LOSSES = 10
"""Compositions for which something was missing, before the attempt gives way."""

TIME_IS_UP = frozenset({Reason.OUT_OF_TIME, Reason.STOPPING, Reason.OVER_BUDGET})

TIME_IN_RESERVE = 2.0
"""A step begins only if it may take this many times as long as the longest so far."""


def copy_parts(job: Job, memory: Memory, workers: Executor) -> DestinationObject:
    """Raises what the two sides raise, `Transient` when the bytes do not match, and `Unfinished` when time was up.

    What is copied stays for the next attempt. What nobody can use any more is swept away: when the destination holds
    the same bytes, whoever copied them, when S3 has another, and after a mismatch, since nobody can tell which
    part is wrong.
    """
    tree, digest = tree_for(job.source, job.name, job.plan), PartsDigest(job.plan.check)
    temporaries = Temporaries(job.destination_side, job.name.bucket, tree, digest, job.attributes.placement.kms_key)
    copy = _PartsCopy(job, temporaries, memory, workers)
    try:
        copy.make_pieces()
        written = copy.compose()
    except SourceMoved:
        temporaries.sweep(workers, job.deadline)
        raise
    except DestinationMoved:
        if not _is_wanted(job):
            temporaries.sweep(workers, job.deadline)
        raise
    except Transient as error:
        if error.reason is Reason.CHECKSUM_MISMATCH:
            temporaries.sweep(workers, job.deadline)
        if error.reason in TIME_IS_UP and copy.advanced:
            raise Unfinished(copy.copied, job.source.size) from error
        raise
    temporaries.sweep(workers, job.deadline)
    return written


def _is_wanted(job: Job) -> bool:
    """Whether parts are still of use, perhaps to another copy that is under way: S3 has this state, and the destination
    has other bytes."""
    if job.source_side.stat(job.source.key) != job.source:
        return False
    current = job.destination_side.stat(job.name)
    return current is None or current.receipt is None or not holds_bytes_of(current.receipt, job.source)


Step = tuple[Node, Callable[[], Piece]]


class _PartsCopy:
    """One attempt. The calling thread decides what is next; `workers` do it."""

    def __init__(self, job: Job, temporaries: Temporaries, memory: Memory, workers: Executor) -> None:
        self._job, self._temporaries, self._tree = job, temporaries, temporaries.tree
        self._memory, self._workers, self._clock = memory, workers, job.deadline.clock
        self._done: dict[Node, Piece] = {}
        self._running: dict[Future[tuple[Piece, float]], Node] = {}
        self._leaves: deque[Node] = deque()
        self._compositions: deque[Node] = deque()
        self._longest_step = 0.0
        self._source_time = self._destination_time = inf
        self._losses = 0
        self.advanced = False
        self.copied = 0
        """Bytes of the object that need not be read any more."""

    def make_pieces(self) -> None:
        """Returns once everything is there that the object itself is composed of."""
        try:
            self._look_around()
            while not all(node in self._done for node in self._tree.top()):
                begun = self._begin_step()
                self._end_steps(timeout=0 if begun else None)
        finally:
            wait(self._running)

    def compose(self) -> DestinationObject:
        """The last step, and the only one that anybody sees."""
        job, pieces = self._job, [self._done[node] for node in self._tree.top()]
        crc32c, check = self._temporaries.combined(pieces)
        self._temporaries.digest.verify(crc32c, check)
        job.deadline.check()
        components = [piece.object for piece in pieces]
        written = job.destination_side.compose(
            job.name, components, job.attributes, job.if_generation, delete_components=True
        )
        if (written.crc32c, written.size) != (crc32c, job.source.size):
            # Composed of verified objects, it should have their bytes. It is at least not left behind.
            job.destination_side.delete(written)
            raise Transient(Reason.CHECKSUM_MISMATCH, "Cloud Storage has composed other bytes")
        return written

    def _look_around(self) -> None:
        """Finds what is there. The rest is begun anywhere, so that two copies at once begin with different parts."""
        began = self._clock()
        self._done, running = self._temporaries.find(), set(self._running.values())
        self._destination_time = min(self._destination_time, self._clock() - began)
        missing = list(self._tree.missing(set(self._done)))
        self.copied = self._job.source.size - sum(map(self._tree.length, missing))
        self._leaves = deque(node for node in missing if node not in running)
        self._leaves.rotate(secrets.randbelow(len(self._leaves) + 1))
        parents = {parent for node in self._done if (parent := self._tree.parent(node))}
        self._compositions = deque(node for node in sorted(parents - running) if self._can_compose(node))
        self._job.at(self.copied)

    def _can_compose(self, node: Node) -> bool:
        return node not in self._done and all(child in self._done for child in self._tree.children(node))

    def _begin_step(self) -> bool:
        """Begins a step, if there is one, and room for it. Without time or memory for it what is under way is finished;
        raises `Transient` when nothing is."""
        if len(self._running) >= self._room() or not (self._compositions or self._leaves):
            return False
        latest = self._job.deadline.earlier(TIME_IN_RESERVE * self._longest_step)
        try:
            latest.check()
            node, step = self._composition() if self._compositions else self._part(latest)
        except Transient:
            if not self._running:
                raise
            return False
        self._running[self._workers.submit(self._timed, step)] = node
        return True

    def _room(self) -> int:
        """How many steps may be under way at once, by the quickest answer so far of the slower side."""
        times = [time for time in (self._source_time, self._destination_time) if time < inf]
        return max(FEWEST_AT_ONCE, min(MOST_AT_ONCE, round(max(times) / ANSWER_TIME_FOR_ONE)))

    def _composition(self) -> Step:
        node = self._compositions.popleft()
        return node, partial(
            self._temporaries.compose, node, [self._done[child] for child in self._tree.children(node)]
        )

    def _part(self, latest: Deadline) -> Step:
        loan = self._memory.borrow(self._tree.length(self._leaves[0]), latest)
        node = self._leaves.popleft()
        return node, partial(self._copy_part, node, loan)

    def _copy_part(self, node: Node, loan: Loan) -> Piece:
        with loan as buffer:
            job, offset, began = self._job, self._tree.offset(node), self._clock()

            def first_bytes(_filled: int) -> None:
                self._source_time = min(self._source_time, self._clock() - began)

            read_into(buffer, job.source_side, job.source, offset, job.deadline, at=first_bytes)
            return self._temporaries.put(node, buffer)

    def _timed(self, step: Callable[[], Piece]) -> tuple[Piece, float]:
        began = self._clock()
        return step(), self._clock() - began

    def _end_steps(self, timeout: float | None) -> None:
        """Takes what is done, and waits for it up to `timeout` seconds."""
        ended, _ = wait(self._running, timeout, return_when=FIRST_COMPLETED)
        met_another = False
        for future in ended:
            node = self._running.pop(future)
            try:
                piece, seconds = future.result()
            except DestinationMoved:  # another has taken what it was to be composed of
                self._losses += 1
                if self._losses > MAX_LOSSES:
                    raise Transient(Reason.CONTENTION, "parts are taken away again and again") from None
                met_another = True
                continue
            met_another |= piece.found
            self._take(node, piece)
            self._longest_step = max(self._longest_step, seconds)
        if met_another:
            self._require_unmoved()
            self._look_around()

    def _take(self, node: Node, piece: Piece) -> None:
        self._done[node] = piece
        self.advanced = True
        if node.level == 0:
            self.copied += piece.object.size
            self._job.at(self.copied)
        parent = self._tree.parent(node)
        if parent and self._can_compose(parent):
            self._compositions.append(parent)

    def _require_unmoved(self) -> None:
        """Whoever else was at work may have finished: then nothing is left to do, and not to be done again."""
        current = self._job.destination_side.stat(self._job.name)
        if (current.generation if current else 0) != self._job.if_generation:
            raise DestinationMoved
