"""What a check comes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from replicator.doctor.facts import Unread
from replicator.reasons import Reason

WITHOUT_KEYS = frozenset({Reason.CREDENTIALS_UNAVAILABLE, Reason.SOURCE_CREDENTIALS_REJECTED})
"""What somebody has to mend, though the service goes on trying: it may be mended without it."""


class Status(StrEnum):
    """From the best to the worst. A warning is what costs, or may go wrong, or could not be looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


class Area(StrEnum):
    """What checks are shown together."""

    IDENTITY = "identity"
    SOURCE = "source"
    DESTINATION = "destination"
    KEYS = "keys"
    DELIVERY = "delivery"
    CLOCK = "clock"
    CANARY = "canary"


class Check(StrEnum):
    """What is looked at. The codes are as stable as reasons: one may be added, and none is ever renamed."""

    area: Area
    question: str

    def __new__(cls, code: str, area: Area, question: str) -> Self:
        check = str.__new__(cls, code)
        check._value_ = code
        check.area, check.question = area, question
        return check

    GOOGLE_IDENTITY = "google_identity", Area.IDENTITY, "Who is it that Google sees?"
    AWS_IDENTITY = "aws_identity", Area.IDENTITY, "Who is it that AWS sees?"

    SOURCE_LISTABLE = "source_listable", Area.SOURCE, "May the bucket be listed?"
    SOURCE_READABLE = "source_readable", Area.SOURCE, "Can an object be read?"
    SOURCE_DECRYPTABLE = "source_decryptable", Area.SOURCE, "May the bucket's KMS key decrypt for us?"
    SOURCE_VERSIONS = "source_versions", Area.SOURCE, "May an object be read by its version?"
    SOURCE_TAGS = "source_tags", Area.SOURCE, "May tags be read?"
    SOURCE_PARTS = "source_parts", Area.SOURCE, "May what S3 knows of an object's parts be read?"
    SOURCE_EVENTS = "source_events", Area.SOURCE, "Does the bucket send its events to EventBridge?"
    SOURCE_REGION = "source_region", Area.SOURCE, "Is the bucket where the service expects it, and not far away?"
    SOURCE_PAYER = "source_payer", Area.SOURCE, "Who pays for requests, and does the service agree to?"

    DESTINATION_PERMISSIONS = "destination_permissions", Area.DESTINATION, "May objects be written as they have to be?"
    DESTINATION_SETTINGS = "destination_settings", Area.DESTINATION, "Can the bucket's settings be seen?"
    DESTINATION_RETENTION = "destination_retention", Area.DESTINATION, "Can replicas be replaced and deleted at all?"
    DESTINATION_SOFT_DELETE = "destination_soft_delete", Area.DESTINATION, "How long is deleted data billed?"
    DESTINATION_VERSIONING = "destination_versioning", Area.DESTINATION, "Do replaced replicas stay for ever?"
    DESTINATION_STORAGE_CLASS = "destination_storage_class", Area.DESTINATION, "Does replacing a replica cost extra?"
    DESTINATION_LOCATION = "destination_location", Area.DESTINATION, "Is the bucket where the service is?"
    DESTINATION_LEFTOVERS = "destination_leftovers", Area.DESTINATION, "Is what a copy in parts leaves removed?"
    DESTINATION_ACCESS = "destination_access", Area.DESTINATION, "Do IAM's grants alone decide who reads replicas?"

    KEYS_READABLE = "keys_readable", Area.KEYS, "Can the secret with the AWS keys be read?"
    KEYS_SOUND = "keys_sound", Area.KEYS, "Are keys in it?"
    KEYS_AGE = "keys_age", Area.KEYS, "How old are they?"
    KEYS_ROTATION = "keys_rotation", Area.KEYS, "Does somebody hear that they are to be replaced?"

    SUBSCRIPTION = "subscription", Area.DELIVERY, "Is there a subscription that delivers?"
    SUBSCRIPTION_TOPIC = "subscription_topic", Area.DELIVERY, "Is it on the topic that unfinished copies go to?"
    HAND_OVER = "hand_over", Area.DELIVERY, "May unfinished copies be handed over to that topic?"
    PUSH_ENDPOINT = "push_endpoint", Area.DELIVERY, "Does it push to the service?"
    PUSH_IDENTITY = "push_identity", Area.DELIVERY, "Does it say who it is, as the service wants it?"
    ACK_DEADLINE = "ack_deadline", Area.DELIVERY, "Does it wait until the service has answered?"
    RETRY_POLICY = "retry_policy", Area.DELIVERY, "Does it leave time between two deliveries?"
    EXPIRATION = "expiration", Area.DELIVERY, "Does it live as long as it is needed?"
    DEAD_LETTER_POLICY = "dead_letter_policy", Area.DELIVERY, "Does it give up what cannot be delivered?"
    DEAD_LETTER_GRANTS = "dead_letter_grants", Area.DELIVERY, "May Pub/Sub move dead letters?"
    DEAD_LETTERS_KEPT = "dead_letters_kept", Area.DELIVERY, "Does somebody keep them?"

    CLOCK = "clock", Area.CLOCK, "Does this machine's clock agree with both clouds?"

    CANARY_WRITTEN = "canary_written", Area.CANARY, "Could a small object be put into the source?"
    CANARY_REPLICATED = "canary_replicated", Area.CANARY, "Did its replica appear, with a receipt for it?"
    CANARY_DELETED = "canary_deleted", Area.CANARY, "Did its deletion follow the rule?"
    CANARY_REMOVED = "canary_removed", Area.CANARY, "Is nothing of it left?"


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is what was looked at, `detail` a sentence on how it is, `mend` the command that makes it right."""

    check: Check
    status: Status
    subject: str
    detail: str
    mend: str | None = None


def ok(check: Check, subject: str, detail: str) -> Finding:
    return Finding(check, Status.OK, subject, detail)


def warning(check: Check, subject: str, detail: str, mend: str | None = None) -> Finding:
    return Finding(check, Status.WARNING, subject, detail, mend)


def failed(check: Check, subject: str, detail: str, mend: str | None = None) -> Finding:
    return Finding(check, Status.FAILED, subject, detail, mend)


def unread(check: Check, subject: str, found: Unread) -> Finding:
    """It could not be looked at: not a fault of the deployment, but nobody may take it for sound either."""
    lacking = f"{found.permission} is missing to whoever runs this" if found.permission else found.why
    return warning(check, subject, f"This could not be looked at: {lacking}.")


def worst(findings: Iterable[Finding]) -> Status:
    """`OK` if there are none."""
    order = list(Status)
    return max((finding.status for finding in findings), key=order.index, default=Status.OK)
