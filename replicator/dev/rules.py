"""What the stack replicates: everything in one bucket, or what a person's own rules say."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from replicator.dev.errors import StackError
from replicator.rules import RulesError, parse_rules

SOURCE_BUCKET = "source-bucket"
DESTINATION_BUCKET = "replica-bucket"


@dataclass(frozen=True, slots=True)
class LocalRules:
    """The variables that tell the service, and the buckets there have to be for it.

    `idle` are those of the two usual buckets that no rule names. The page, the samples and the watched folder know no
    other buckets, so that they show nothing of such rules. `with_keys` are the rules that name keys of their own.
    """

    variables: Mapping[str, str]
    source_buckets: frozenset[str] = frozenset({SOURCE_BUCKET})
    destination_buckets: frozenset[str] = frozenset({DESTINATION_BUCKET})
    idle: frozenset[str] = frozenset()
    with_keys: tuple[str, ...] = ()

    @property
    def caveat(self) -> str | None:
        """One line for a person who would otherwise wait for what never comes."""
        if self.with_keys:
            named = ", ".join(self.with_keys)
            return f"The keys that these rules name are looked for in Google Cloud and AWS, from here, too: {named}."
        if SOURCE_BUCKET in self.idle:
            used = ", ".join(sorted(self.source_buckets - self.idle))
            return f"No rule reads {SOURCE_BUCKET}, which samples, drop folder and page use: put objects into {used}."
        if DESTINATION_BUCKET in self.idle:
            used = ", ".join(sorted(self.destination_buckets - self.idle))
            return f"No rule writes to {DESTINATION_BUCKET}, which the page shows: replicas appear in {used}."
        return None


ONE_RULE = LocalRules(
    {"SOURCE_S3_BUCKETS": SOURCE_BUCKET, "TARGET_GCS_BUCKET": DESTINATION_BUCKET, "DELETES": "propagate"}
)


def read_rules(file: Path) -> LocalRules:
    """The rules in a file, with a bucket for each that they name. Raises `StackError`."""
    try:
        rules = parse_rules(file.read_bytes())
    except OSError as error:
        raise StackError(f"{file}: {error.strerror}") from None
    except RulesError as error:
        raise StackError(f"{file}: {error}") from None
    return LocalRules(
        {"REPLICATION_RULES": str(file.resolve())},
        ONE_RULE.source_buckets | rules.source_buckets,
        ONE_RULE.destination_buckets | rules.destination_buckets,
        frozenset({SOURCE_BUCKET} - rules.source_buckets | {DESTINATION_BUCKET} - rules.destination_buckets),
        tuple(rule.id for rule in rules.rules if rule.access.credentials_secret or rule.access.role_arn),
    )
