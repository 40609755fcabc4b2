"""`--once`: the main job from beginning to end, judged by the bytes at both ends."""

from dataclasses import dataclass

from replicator.dev import samples
from replicator.dev.compare import compare
from replicator.dev.rules import DESTINATION_BUCKET, SOURCE_BUCKET
from replicator.dev.stack import Stack

PATIENCE = 60
"""Seconds until an event that nothing has come of counts as lost."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One line for a person, and every problem there is."""

    text: str
    problems: tuple[str, ...]


def run_once(stack: Stack) -> Verdict:
    """Puts the samples, overwrites one, changes the metadata of one and deletes one, and lets the events do the rest.

    Compares what they have come to.
    """
    samples.put_all(stack.s3, SOURCE_BUCKET)
    settled = stack.settle(PATIENCE)
    samples.change_some(stack.s3, SOURCE_BUCKET)
    settled = stack.settle(PATIENCE) and settled

    comparison = compare(stack.s3, SOURCE_BUCKET, stack.storage, DESTINATION_BUCKET)
    problems = [f"{difference.key} {difference.what}" for difference in comparison.differences]
    problems += [f"the message {message.message_id} is a dead letter" for message in stack.dead_letters]
    if not settled:
        problems.append(f"not every event was done with within {PATIENCE} seconds")
    text = f"{comparison.objects} objects, {comparison.bytes} bytes compared one by one"
    return Verdict(f"FAILED: {text}" if problems else f"OK: {text}; source and destination agree", tuple(problems))
