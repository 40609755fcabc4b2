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
    """The variables that tell the service, and the buckets there have to be for it."""

    variables: Mapping[str, str]
    source_buckets: frozenset[str] = frozenset({SOURCE_BUCKET})
    destination_buckets: frozenset[str] = frozenset({DESTINATION_BUCKET})


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
    )
