"""Pure: which source object goes where, and how. Modelled on S3's own replication rules."""

from replicator.rules.document import parse_rules
from replicator.rules.errors import RulesError
from replicator.rules.fields import ROLE_ARN, SECRET_RESOURCE
from replicator.rules.filter import Filter
from replicator.rules.glob import Glob, GlobError
from replicator.rules.names import MAX_NAME_BYTES, RESERVED_PREFIX, require_valid_name
from replicator.rules.rule import Deletes, Foreign, Parts, Rule, SourceAccess
from replicator.rules.ruleset import Assignment, RuleSet
from replicator.rules.syntax import MAX_BYTES

__all__ = [
    "MAX_BYTES",
    "MAX_NAME_BYTES",
    "RESERVED_PREFIX",
    "ROLE_ARN",
    "SECRET_RESOURCE",
    "Assignment",
    "Deletes",
    "Filter",
    "Foreign",
    "Glob",
    "GlobError",
    "Parts",
    "Rule",
    "RuleSet",
    "RulesError",
    "SourceAccess",
    "parse_rules",
    "require_valid_name",
]
