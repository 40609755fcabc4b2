"""A Pub/Sub pull subscription in memory. https://cloud.google.com/pubsub/docs/pull"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

from replicator.dev.message import Message

ACK_DEADLINE = 60.0


@dataclass(slots=True)
class _Kept:
    message: Message
    hidden_until: float = 0.0


class PullSubscription:
    """Keeps messages until they are acknowledged. What is pulled is hidden until its ack deadline.

    Unlike Pub/Sub it does not wait for messages: where there are none, it says so at once. An ack id is good for as
    long as the message is there. `clock` gives seconds.
    """

    def __init__(self, name: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self._clock = clock
        self._lock = Lock()
        self._numbers = itertools.count(1)
        self._kept: dict[str, _Kept] = {}

    @property
    def messages(self) -> tuple[Message, ...]:
        """All that are not acknowledged, hidden ones included, in the order in which they came."""
        with self._lock:
            return tuple(kept.message for kept in self._kept.values())

    def add(self, message: Message) -> None:
        with self._lock:
            self._kept[str(next(self._numbers))] = _Kept(message)

    def pull(self, most: int) -> Sequence[tuple[str, Message]]:
        """At most so many of the messages that nobody has, each with its ack id."""
        with self._lock:
            now = self._clock()
            free = ((ack_id, kept) for ack_id, kept in self._kept.items() if kept.hidden_until <= now)
            pulled = list(itertools.islice(free, most))
            for _, kept in pulled:
                kept.hidden_until = now + ACK_DEADLINE
            return [(ack_id, kept.message) for ack_id, kept in pulled]

    def modify(self, ack_ids: Sequence[str], seconds: float) -> None:
        """Hides the messages for so long from now on; 0 gives them back."""
        with self._lock:
            for ack_id in ack_ids:
                if kept := self._kept.get(ack_id):
                    kept.hidden_until = self._clock() + seconds

    def acknowledge(self, ack_ids: Sequence[str]) -> None:
        with self._lock:
            for ack_id in ack_ids:
                self._kept.pop(ack_id, None)

    def take_all(self) -> tuple[Message, ...]:
        """Removes every message, hidden ones included, and returns them."""
        with self._lock:
            taken, self._kept = self._kept, {}
            return tuple(kept.message for kept in taken.values())
