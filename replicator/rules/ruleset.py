"""All rules together: several may be for one key, and each destination name stands on its own."""

from dataclasses import dataclass, replace

from replicator.model import DestinationName, SourceKey, SourceObject
from replicator.reasons import Reason
from replicator.rules.filter import Filter
from replicator.rules.rule import Deletes, Rule


@dataclass(frozen=True, slots=True)
class Assignment:
    """One destination name of a source key, and the rules that may write it, the highest priority first."""

    destination: DestinationName
    rules: tuple[Rule, ...]

    def rule_for(self, source: SourceObject | None) -> tuple[Rule, Reason | None]:
        """The first rule whose filter the object passes; else the first one of all, and why it does not.

        An object that is gone has neither size nor tags. Then a rule that keeps replicas decides, if there is one: the
        replica may be its own.
        """
        if source is None:
            return next((rule for rule in self.rules if rule.deletes is Deletes.IGNORE), self.rules[0]), None
        mismatches = [(rule, rule.filter.mismatch_of_object(source)) for rule in self.rules]
        return next((found for found in mismatches if found[1] is None), mismatches[0])

    @property
    def only_rule(self) -> str | None:
        """The id of the rule, where it does not depend on the object which one it is."""
        return self.rules[0].id if len(self.rules) == 1 else None


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules in the order of the file; of equal priorities the first one applies."""

    rules: tuple[Rule, ...]

    def assignments(self, source: SourceKey) -> tuple[Assignment, ...]:
        """Where the rules send this key: nowhere, or to one or several destinations."""
        by_name: dict[DestinationName, list[Rule]] = {}
        for rule in self.by_priority():
            if rule.mismatch_of_key(source) is None:
                by_name.setdefault(rule.destination(source), []).append(rule)
        return tuple(Assignment(name, tuple(rules)) for name, rules in by_name.items())

    def assignment_to(self, source: SourceKey, destination: DestinationName) -> Assignment | None:
        """For a caller who names the destination: the rule between the two buckets, whatever its filter says.

        `None` where no enabled rule goes from one to the other: then neither may be touched.
        """
        for rule in self.by_priority():
            if rule.enabled and source.bucket in rule.source_buckets and destination.bucket == rule.destination_bucket:
                return Assignment(destination, (replace(rule, filter=Filter()),))
        return None

    def mismatch(self, source: SourceKey) -> Reason:
        """Why a key without an assignment has none."""
        named = [rule for rule in self.rules if source.bucket in rule.source_buckets]
        reasons = {rule.mismatch_of_key(source) or Reason.NO_RULE_MATCHES for rule in named}
        if not reasons:
            return Reason.BUCKET_NOT_IN_RULES
        return reasons.pop() if len(reasons) == 1 else Reason.NO_RULE_MATCHES

    def claims(self, source: SourceKey, destination: DestinationName) -> bool:
        """Whether an enabled rule may send this key to this very name."""
        return any(
            rule.mismatch_of_key(source) is None and rule.destination(source) == destination for rule in self.rules
        )

    @property
    def source_buckets(self) -> frozenset[str]:
        """The only buckets that may be read."""
        return frozenset().union(*(rule.source_buckets for rule in self.rules if rule.enabled))

    @property
    def destination_buckets(self) -> frozenset[str]:
        """The only buckets that may be written."""
        return frozenset(rule.destination_bucket for rule in self.rules if rule.enabled)

    @property
    def tag_filtered_buckets(self) -> frozenset[str]:
        """The source buckets in which tags decide what is replicated."""
        filtering = (rule for rule in self.rules if rule.enabled and rule.filter.tags)
        return frozenset().union(*(rule.source_buckets for rule in filtering))

    def by_priority(self) -> list[Rule]:
        """In the order of precedence."""
        return sorted(self.rules, key=lambda rule: -rule.priority)
