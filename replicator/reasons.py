"""The one list of reason codes: why every outcome and every error is what it is.

A code is stable: logs, metrics, alerts, answers and documents all use it, so it may be added to but never renamed.
"""

from enum import StrEnum


class Reason(StrEnum):
    """A stable code with one sentence for people (`explanation`)."""

    explanation: str

    def __new__(cls, code: str, explanation: str) -> "Reason":
        member = str.__new__(cls, code)
        member._value_ = code
        member.explanation = explanation
        return member

    def explained(self, detail: str = "") -> str:
        """The explanation, and in brackets what there is to add."""
        return f"{self.explanation} ({detail})" if detail else self.explanation

    # Outcomes
    DESTINATION_ABSENT = "destination_absent", "There was no destination object."
    SOURCE_CHANGED = "source_changed", "The source object has changed since it was copied."
    FOREIGN_OVERWRITTEN = "foreign_overwritten", "The rule overwrites a destination object without our receipt."
    METADATA_CHANGED = "metadata_changed", "Only the source's metadata has changed; no bytes are moved."
    ADOPTED = "adopted", "A destination object without our receipt holds the same bytes, and gets one."
    IN_SYNC = "in_sync", "The destination already holds this state of the source."
    SOURCE_DELETED = "source_deleted", "The source object is gone; the rule deletes its replica."
    DELETES_IGNORED = "deletes_ignored", "The source object is gone; the rule keeps its replica."
    FOREIGN_KEPT = "foreign_kept", "The destination object has no receipt of ours and is kept."
    DELETED_ON_REQUEST = "deleted_on_request", "Somebody asked for the replica's deletion."
    BUCKET_NOT_IN_RULES = "bucket_not_in_rules", "No rule names this bucket."
    NO_RULE_MATCHES = "no_rule_matches", "Several rules name this bucket, and for different reasons none applies."
    RULE_DISABLED = "rule_disabled", "The rule for this bucket is disabled."
    RULE_SUPERSEDED = "rule_superseded", "A rule of higher priority writes the same destination name."
    FILTERED_BY_PREFIX = "filtered_by_prefix", "The key does not begin with the rule's prefix."
    FILTERED_BY_SUFFIX = "filtered_by_suffix", "The key does not end with the rule's suffix."
    FILTERED_BY_GLOB = "filtered_by_glob", "The key does not match the rule's glob."
    FILTERED_BY_SIZE = "filtered_by_size", "The object's size is outside the rule's bounds."
    FILTERED_BY_TAGS = "filtered_by_tags", "The object does not have the rule's tags."
    EVENT_TYPE_IGNORED = "event_type_ignored", "Events of this type never change what is replicated."
    TEST_EVENT = "test_event", "S3 sent a test event, which names no object."

    # The request or the event itself
    REQUEST_MALFORMED = "request_malformed", "The request is not one this door understands."
    EVENT_MALFORMED = "event_malformed", "The message is not an S3 event in any known envelope."
    BODY_TOO_LARGE = "body_too_large", "The request body is larger than any S3 event."
    ROUTE_UNKNOWN = "route_unknown", "There is nothing at this path."
    METHOD_NOT_ALLOWED = "method_not_allowed", "This path does not answer this method."
    INGEST_SECRET_WRONG = "ingest_secret_wrong", "The ingest secret is missing or wrong."
    TOKEN_MISSING = "token_missing", "This door takes a Google identity token in `Authorization: Bearer`."
    TOKEN_INVALID = "token_invalid", "The identity token did not pass a check."
    TOKEN_EXPIRED = "token_expired", "The identity token has expired."
    CALLER_NOT_ALLOWED = "caller_not_allowed", "The identity token is valid, but not of somebody who may come in."

    # Refused: repeating it cannot help until somebody changes something
    SOURCE_NOT_FOUND = "source_not_found", "The source object does not exist."
    SOURCE_BUCKET_NOT_FOUND = "source_bucket_not_found", "The source bucket does not exist."
    SOURCE_ACCESS_DENIED = "source_access_denied", "S3 refuses access to the source object."
    SOURCE_KMS_DENIED = "source_kms_denied", "The source object's KMS key may not be used to decrypt it."
    SOURCE_ARCHIVED = "source_archived", "The source object is archived and must be restored first."
    SOURCE_TOO_LARGE = "source_too_large", "The source object exceeds Cloud Storage's 5 TiB."
    SOURCE_REFUSED = "source_refused", "S3 refuses the request as invalid."
    DESTINATION_NAME_INVALID = "destination_name_invalid", "Cloud Storage cannot hold an object of this name."
    DESTINATION_CONFLICT = "destination_conflict", "The destination object is the replica of another source object."
    DESTINATION_NOT_FOUND = "destination_not_found", "The destination object does not exist."
    DESTINATION_FOREIGN = "destination_foreign", "The destination object has no receipt of ours and is left alone."
    DESTINATION_MOVED = "destination_moved", "The destination object is no longer at the generation that was required."
    DESTINATION_BUCKET_NOT_FOUND = "destination_bucket_not_found", "The destination bucket does not exist."
    DESTINATION_ACCESS_DENIED = "destination_access_denied", "Cloud Storage refuses access to the destination."
    DESTINATION_REFUSED = "destination_refused", "Cloud Storage refuses the request as invalid."
    SUBSCRIPTION_NOT_FOUND = "subscription_not_found", "The subscription of the dead letters does not exist."
    SUBSCRIPTION_ACCESS_DENIED = "subscription_access_denied", "Pub/Sub refuses access to the dead letters."
    SUBSCRIPTION_REFUSED = "subscription_refused", "Pub/Sub refuses the request for dead letters as invalid."
    TOPIC_NOT_FOUND = "topic_not_found", "The topic to publish to does not exist."
    TOPIC_ACCESS_DENIED = "topic_access_denied", "Pub/Sub refuses access to the topic to publish to."
    TOPIC_UNFOLLOWED = "topic_unfollowed", "The topic has no subscription: what is published to it is lost."
    TOPIC_OF_DEAD_LETTERS = (
        "topic_of_dead_letters",
        "The topic is that of the dead letters: they would come back.",
    )

    # Transient: the same attempt may succeed later
    SOURCE_UNAVAILABLE = "source_unavailable", "S3 did not answer, or asked to be called later."
    SOURCE_TRUNCATED = "source_truncated", "Reading the source ended before its last byte."
    SOURCE_CREDENTIALS_REJECTED = "source_credentials_rejected", "S3 rejects the AWS credentials, refreshed ones too."
    DESTINATION_UNAVAILABLE = "destination_unavailable", "Cloud Storage did not answer, or asked to be called later."
    CHECKSUM_MISMATCH = "checksum_mismatch", "The bytes do not match their checksum; nothing became visible."
    CREDENTIALS_UNAVAILABLE = "credentials_unavailable", "No usable credentials could be read."
    CERTIFICATES_UNAVAILABLE = (
        "certificates_unavailable",
        "Google's certificates, which check tokens, cannot be read.",
    )
    CONTENTION = "contention", "The object kept changing on one of the two sides."
    OUT_OF_TIME = "out_of_time", "The attempt did not finish within its deadline."
    OVER_BUDGET = "over_budget", "Other copies held all the memory that copies may use."
    OVERLOADED = "overloaded", "The instance serves as many requests already as it may at once."
    STOPPING = "stopping", "The instance is about to end; another one will take the request."
    UNFINISHED = "unfinished", "The copy is not finished; what is copied is kept, and the next request goes on from it."
    PUBLISH_FAILED = "publish_failed", "Pub/Sub did not confirm the event."
    SUBSCRIPTION_UNAVAILABLE = "subscription_unavailable", "Pub/Sub did not answer the request for dead letters."

    UNEXPECTED = "unexpected", "An unexpected error; the log has its kind."
