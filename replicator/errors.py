"""Errors by permanence, which alone decides retry and acknowledgement, and the two signals of a lost race."""

from replicator.reasons import Reason


class ReplicationError(Exception):
    """Something prevented replication. `detail` is for people: it never holds a secret or another error's text."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


class Permanent(ReplicationError):
    """Repeating the attempt cannot help until somebody changes something."""


class Transient(ReplicationError):
    """The same attempt may succeed later; nothing was left behind that it could trip over."""


def unexpected(error: Exception) -> Transient:
    """An error that nobody foresaw, so that it hides nothing else; whoever logs it says where `error` came from."""
    foreseen = Transient(Reason.UNEXPECTED)
    foreseen.__cause__ = error
    return foreseen


class Moved(Exception):
    """A condition did not hold any more. Not an error: the protocol looks again."""


class SourceMoved(Moved):
    """The source is no longer the state that was pinned (S3 answered 412 or 404, or with another state)."""


class DestinationMoved(Moved):
    """The destination is no longer at the generation that was required (Cloud Storage answered 412 or 404)."""
