"""One rule."""

from dataclasses import dataclass, field
from enum import StrEnum

from replicator.model import DestinationName, Placement, SourceKey
from replicator.reasons import Reason
from replicator.rules.filter import Filter


class Deletes(StrEnum):
    """What happens to a replica whose source object is gone."""

    IGNORE = "ignore"
    PROPAGATE = "propagate"


class Foreign(StrEnum):
    """What happens to a different destination object that has no receipt of ours."""

    OVERWRITE = "overwrite"
    KEEP = "keep"


class Parts(StrEnum):
    """Whether large objects may be copied in parts, which are temporary objects in the destination bucket."""

    AUTO = "auto"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class SourceAccess:
    """How the source buckets are read, where it is not as the environment says.

    `credentials_secret` is a Secret Manager resource with AWS keys, `role_arn` an AWS role; at most one of the two.
    With `request_payer` we agree to pay for the requests, as a requester-pays bucket wants.
    """

    credentials_secret: str | None = None
    role_arn: str | None = None
    request_payer: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """Replicates the objects of some source buckets that pass a filter to one destination bucket.

    The destination name is the key with `source_prefix` replaced by `destination_prefix`; other keys are not for this
    rule. Of several rules that write the same name from the same key, the one of the highest `priority` applies.
    """

    id: str
    source_buckets: frozenset[str]
    destination_bucket: str
    deletes: Deletes = Deletes.IGNORE
    foreign: Foreign = Foreign.OVERWRITE
    enabled: bool = True
    priority: int = 0
    source_prefix: str = ""
    destination_prefix: str = ""
    filter: Filter = field(default_factory=Filter)
    placement: Placement = field(default_factory=Placement)
    access: SourceAccess = field(default_factory=SourceAccess)
    parts: Parts = Parts.AUTO

    def mismatch_of_key(self, source: SourceKey) -> Reason | None:
        """Why this rule is for no object of this key, or `None`."""
        if source.bucket not in self.source_buckets:
            return Reason.BUCKET_NOT_IN_RULES
        if not self.enabled:
            return Reason.RULE_DISABLED
        if not source.key.startswith(self.source_prefix):
            return Reason.FILTERED_BY_PREFIX
        return self.filter.mismatch_of_key(source.key)

    def destination(self, source: SourceKey) -> DestinationName:
        """Where an object of this key goes, if it is one for this rule. Cloud Storage may not be able to hold it."""
        name = self.destination_prefix + source.key.removeprefix(self.source_prefix)
        return DestinationName(self.destination_bucket, name)
