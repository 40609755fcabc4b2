"""The event door: follows a message, and hands what does not fit into one request over to fresh messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from werkzeug.wrappers import Response

from replicator.errors import ReplicationError, Unfinished, unexpected
from replicator.events import FAILED_DELIVERIES, encode, message_attributes, parse_document
from replicator.model import Change, Failure, IgnoredEvent
from replicator.ports import Publisher
from replicator.reasons import Reason
from replicator.telemetry import Occasion, describe_request, log_error, log_failure, log_handed_over, log_ignored
from replicator.web.answers import acknowledged, error_answer, error_status
from replicator.web.calls import Calls, log_result

MAX_FAILED_DELIVERIES = 5
"""Failed deliveries of a change, over all its messages, after which it is handed over no more. Otherwise a large object
that fails at its very end would be copied for ever: each fresh message begins to count anew."""

MAX_DELIVERY_ATTEMPT = 2**31 - 1
"""Pub/Sub counts in 32 bits (https://cloud.google.com/pubsub/docs/reference/rest/v1/ReceivedMessage). As a float a
number of 300 digits is an integer, too."""

SHORT_OF_TIME = frozenset({Reason.UNFINISHED, Reason.OUT_OF_TIME, Reason.STOPPING})
"""What a request with more time might have come to the end of."""


@dataclass(frozen=True, slots=True)
class _Left:
    """A destination for which time was short."""

    failure: Failure
    change: Change
    seconds: float

    @property
    def occasion(self) -> Occasion:
        return Occasion("event", self.change)


class EventDoor:
    """Pub/Sub push, Eventarc, or whoever else posts an event.

    A large copy takes more requests than one. Each goes on where the one before it stopped; if redelivery were what
    brings them, the copy would use up the attempts after which Pub/Sub gives a message up. So a fresh message is
    published for each change that is not done with, and then the old one is acknowledged: between the two the work is
    held twice, never not at all.

    That is done only if some copy got ahead in this request, nothing else went wrong, and deliveries have not failed
    too often: a change that gets nowhere reaches the dead-letter topic, and what is delivered again anyway is not
    published as well.
    """

    def __init__(self, calls: Calls, publisher: Callable[[], Publisher] | None) -> None:
        self._calls, self._publisher = calls, publisher

    def follow(self, document: object) -> Response:
        """Acknowledges when everything the message asks for is done, needs nothing, or is handed over."""
        describe_request(message_id=_message_id(document), delivery_attempt=_delivery_attempt(document))
        deadline, failed = self._calls.new_deadline(), _failed_deliveries(document)
        errors: list[ReplicationError] = []
        left: list[_Left] = []
        for notice in parse_document(document):
            if isinstance(notice, IgnoredEvent):
                log_ignored(notice, Occasion("event"))
                continue
            called = self._calls.attempt(notice.source, deadline)
            for result in called.results:
                if isinstance(result, Failure) and result.error.reason in SHORT_OF_TIME:
                    left.append(_Left(result, notice, called.seconds))
                    continue
                log_result(result, Occasion("event", notice), called.seconds)
                if isinstance(result, Failure):
                    errors.append(result.error)
        ahead = any(isinstance(one.failure.error, Unfinished) for one in left)
        counted = bool(_delivery(document))  # what comes without Pub/Sub's envelope would be handed over for ever
        if self._publisher and counted and not errors and ahead and failed < MAX_FAILED_DELIVERIES:
            try:
                _hand_over(left, self._publisher, {FAILED_DELIVERIES: str(failed)} if failed else {})
            except ReplicationError as error:
                log_error(error, Occasion("event"))
                errors.append(error)
            else:
                return acknowledged()
        for one in left:
            log_failure(one.failure, one.occasion, one.seconds)
            errors.append(one.failure.error)
        # The status matters to people only: whatever it is, Pub/Sub delivers the message as a whole again.
        return error_answer(max(errors, key=error_status)) if errors else acknowledged()


def _hand_over(left: Sequence[_Left], publisher: Callable[[], Publisher], more: Mapping[str, str]) -> None:
    """Returns when Pub/Sub has a message for each change, of all its destinations. Raises `Transient` if it may not."""
    try:
        message_ids = {
            change: publisher().publish(encode(change), {**message_attributes(change), **more})
            for change in dict.fromkeys(one.change for one in left)
        }
    except ReplicationError:
        raise
    except Exception as error:  # a publisher that cannot be built, for want of credentials perhaps
        raise unexpected(error) from error
    for one in left:
        log_handed_over(one.failure, one.occasion, one.seconds, message_ids[one.change])


def _failed_deliveries(document: object) -> int:
    """How many deliveries failed before this one, of this message and of those that it goes on from."""
    message = _delivery(document).get("message")
    attributes = message.get("attributes") if isinstance(message, Mapping) else None
    before = attributes.get(FAILED_DELIVERIES) if isinstance(attributes, Mapping) else None
    counted = (
        int(before) if isinstance(before, str) and before.isascii() and before.isdigit() and len(before) < 5 else 0
    )
    return counted + max(0, (_delivery_attempt(document) or 1) - 1)


def _delivery(document: object) -> Mapping[str, object]:
    """Pub/Sub's own envelope, which a structured CloudEvent has under `data`."""
    for envelope in (document, document.get("data") if isinstance(document, Mapping) else None):
        if isinstance(envelope, Mapping) and "message" in envelope:
            return envelope
    return {}


def _message_id(document: object) -> str | None:
    """Pub/Sub's id of this message, if it looks like one."""
    message = _delivery(document).get("message")
    given = message.get("messageId") if isinstance(message, Mapping) else None
    return given if isinstance(given, str) and given.isascii() and given.isalnum() and len(given) <= 64 else None


def _delivery_attempt(document: object) -> int | None:
    """How often Pub/Sub has delivered this message, where it says so. `decode_json` reads every number as a float."""
    attempt = _delivery(document).get("deliveryAttempt")
    if not isinstance(attempt, float) or not 1 <= attempt <= MAX_DELIVERY_ATTEMPT:
        return None
    return int(attempt) if attempt.is_integer() else None
