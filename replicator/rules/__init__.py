"""Pure: which source object goes where, and how. Modelled on S3's own replication rules."""

from replicator.rules.filter import Filter
from replicator.rules.names import MAX_NAME_BYTES, RESERVED_PREFIX, require_valid_name
from replicator.rules.rule import Deletes, Foreign, Rule, SourceAccess
from replicator.rules.ruleset import Assignment, RuleSet

__all__ = [
    "MAX_NAME_BYTES",
    "RESERVED_PREFIX",
    "Assignment",
    "Deletes",
    "Filter",
    "Foreign",
    "Rule",
    "RuleSet",
    "SourceAccess",
    "require_valid_name",
]
