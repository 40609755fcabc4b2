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


class Unfinished(ReplicationError):
    """Time was up in the middle of a copy that got ahead: what is copied is kept, and another attempt does the rest.

    Not to be repeated within the same request: its time is up. `copied` and `size` are bytes of the object, from its
    first attempt on. An attempt that got nowhere is `Transient(out_of_time)` instead, so that one that never will is
    not repeated for ever.
    """

    def __init__(self, copied: int, size: int) -> None:
        super().__init__(Reason.UNFINISHED, f"{copied} of {size} bytes")
        self.copied = copied
        self.size = size


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
    """What a write rests on is no longer there (Cloud Storage answered 412 or 404): the destination is not at the
    generation that was required, or a temporary object that was to be composed is gone."""
