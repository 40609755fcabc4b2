"""Looks at a secret with AWS keys, and at what Secret Manager says about it."""

from collections.abc import Callable
from typing import Any, TypeVar

from google.api_core import exceptions as api
from google.auth import exceptions as auth

from replicator.doctor.facts import KeyFacts, Refusal, Rotation, Unread
from replicator.errors import Transient

T = TypeVar("T")

TIMEOUT = 10


Subscriptions = tuple[str, ...] | Unread


def look_at(
    client: Any,
    resource: str,
    read: Callable[[], bytes],
    parse: Callable[[bytes], object],
    subscriptions_of: Callable[[str], Subscriptions],
) -> KeyFacts:
    """`read` and `parse` are the service's own, of which the keys go nowhere else; never raises what they raise."""
    secret, _, version = resource.partition("/versions/")
    try:
        payload = read()
    except Transient as error:
        return KeyFacts(resource, error.detail, _refusal(client, secret, error.__cause__))
    unsound = None
    try:
        parse(payload)
    except Transient as error:
        unsound = error.detail
    name = f"{secret}/versions/{version or 'latest'}"
    return KeyFacts(
        resource,
        unsound=unsound,
        created=_seen(
            lambda: client.get_secret_version(name=name, timeout=TIMEOUT).create_time, "secretmanager.versions.get"
        ),
        rotation=_seen(
            lambda: _rotation(client.get_secret(name=secret, timeout=TIMEOUT), subscriptions_of),
            "secretmanager.secrets.get",
        ),
    )


def _refusal(client: Any, secret: str, cause: BaseException | None) -> Refusal | None:
    """Of a secret without a version Secret Manager says that it finds nothing, too."""
    if isinstance(cause, api.Forbidden):
        return Refusal.DENIED
    if isinstance(cause, api.FailedPrecondition):
        return Refusal.EMPTY
    if not isinstance(cause, api.NotFound):
        return None
    try:
        client.get_secret(name=secret, timeout=TIMEOUT)
    except (api.GoogleAPIError, auth.GoogleAuthError):
        return Refusal.ABSENT
    return Refusal.EMPTY


def _rotation(secret: Any, subscriptions_of: Callable[[str], Subscriptions]) -> Rotation:
    period = secret.rotation.rotation_period if secret.rotation else None
    topics = tuple(topic.name for topic in secret.topics)
    found = [subscriptions_of(topic) for topic in topics]
    seen = tuple(name for names in found if not isinstance(names, Unread) for name in names)
    unseen = [names for names in found if isinstance(names, Unread)]
    return Rotation(int(period.total_seconds()) if period else None, topics, seen or (unseen[0] if unseen else ()))


def _seen(look: Callable[[], T], permission: str) -> T | Unread:
    try:
        return look()
    except api.Forbidden:
        return Unread("Secret Manager refuses it", permission)
    except (api.GoogleAPIError, auth.GoogleAuthError) as error:
        return Unread(f"Secret Manager gives no answer: {type(error).__name__}")
