"""Why an object is replicated, or is not: what each rule says of it, and what would happen now. Pure.

The decisions are those of the protocol itself; this only puts them into words, with the values that were compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from replicator.decide import foreseen
from replicator.errors import Permanent, ReplicationError
from replicator.model import DestinationName, DestinationObject, Failure, Outcome, Result, SourceKey, SourceObject
from replicator.reasons import Reason
from replicator.rules import Assignment, Filter, Rule, RuleSet


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one rule says of a source object.

    `applies` is `None` where that depends on the object itself, which could not be read. `reason` is why the rule does
    not apply, and `detail` that with the values. `destination` is where a rule that is for the key sends it.
    """

    rule: Rule
    applies: bool | None
    reason: Reason | None = None
    detail: str = ""
    destination: DestinationName | None = None


@dataclass(frozen=True, slots=True)
class Prospect:
    """One destination of the object: what is there, or why that cannot be told, and what would happen to it now."""

    destination: DestinationName
    found: DestinationObject | ReplicationError | None
    foreseen: Outcome | Failure

    @property
    def reason(self) -> Reason:
        return self.foreseen.error.reason if isinstance(self.foreseen, Failure) else self.foreseen.reason

    @property
    def in_sync(self) -> bool:
        return self.reason is Reason.IN_SYNC

    @property
    def filtered(self) -> bool:
        """Whether the object passes the filter of no rule that writes this destination."""
        return isinstance(self.foreseen, Outcome) and self.foreseen.result is Result.IGNORED


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything there is to say of one source object, the rules in the order of precedence.

    `mismatch` is why no rule is for the key; then there are no prospects, and `found` is `None` because S3 was not
    asked. Otherwise `found` is the object as it is, `None` where it is absent, or why it could not be read.
    """

    source: SourceKey
    verdicts: tuple[Verdict, ...]
    mismatch: Reason | None
    found: SourceObject | ReplicationError | None
    prospects: tuple[Prospect, ...]

    @property
    def unread(self) -> tuple[ReplicationError, ...]:
        """Why parts of it are missing. A name that Cloud Storage cannot hold leaves nothing to be read."""
        sides = (self.found, *(prospect.found for prospect in self.prospects))
        errors = [side for side in sides if isinstance(side, ReplicationError)]
        return tuple(error for error in errors if error.reason is not Reason.DESTINATION_NAME_INVALID)

    @property
    def failures(self) -> tuple[Failure, ...]:
        """The destinations that would fail."""
        return tuple(found.foreseen for found in self.prospects if isinstance(found.foreseen, Failure))


def explain(
    key: SourceKey,
    source: SourceObject | ReplicationError | None,
    destinations: Mapping[DestinationName, DestinationObject | ReplicationError | None],
    rules: RuleSet,
) -> Explanation:
    """The explanation of `key`, both sides being as they were seen: `destinations` has each one that it is sent to."""
    assignments = rules.assignments(key)
    prospects = tuple(_prospect(key, source, destinations[found.destination], found, rules) for found in assignments)
    mismatch = None if assignments else rules.mismatch(key)
    return Explanation(key, _verdicts(key, source, rules), mismatch, source, prospects)


def _prospect(
    key: SourceKey,
    source: SourceObject | ReplicationError | None,
    destination: DestinationObject | ReplicationError | None,
    assignment: Assignment,
    rules: RuleSet,
) -> Prospect:
    rule = assignment.only_rule
    prospect: Outcome | Failure
    if isinstance(destination, ReplicationError):
        prospect = Failure(destination, key, assignment.destination, rule)
    elif isinstance(source, ReplicationError):
        prospect = Failure(source, key, assignment.destination, rule)
    else:
        try:
            prospect = foreseen(key, assignment, destination, source, rules)
        except Permanent as error:
            prospect = Failure(error, key, assignment.destination, rule)
    return Prospect(assignment.destination, destination, prospect)


def _verdicts(key: SourceKey, source: SourceObject | ReplicationError | None, rules: RuleSet) -> tuple[Verdict, ...]:
    """Of the rules that write one name, the first that the object passes has it; one that may have it, where the object
    cannot be read, leaves it open for those below."""
    verdicts: list[Verdict] = []
    holders: dict[DestinationName, Rule] = {}
    open_names: set[DestinationName] = set()
    for rule in rules.by_priority():
        if reason := rule.mismatch_of_key(key):
            verdicts.append(Verdict(rule, False, reason, _difference_of_key(rule, key, reason)))
            continue
        name = rule.destination(key)
        reason = rule.filter.mismatch_of_object(source) if isinstance(source, SourceObject) else None
        if reason and isinstance(source, SourceObject):
            verdicts.append(Verdict(rule, False, reason, _difference_of_object(rule.filter, source, reason), name))
        elif holder := holders.get(name):
            detail = f"'{holder.id}' comes first"
            verdicts.append(Verdict(rule, False, Reason.RULE_SUPERSEDED, detail, name))
        elif isinstance(source, ReplicationError) and rule.filter.looks_at_object:
            open_names.add(name)
            verdicts.append(Verdict(rule, None, destination=name))
        else:
            holders[name] = rule
            verdicts.append(Verdict(rule, None if name in open_names else True, destination=name))
    return tuple(verdicts)


def _difference_of_key(rule: Rule, key: SourceKey, reason: Reason) -> str:
    match reason:
        case Reason.BUCKET_NOT_IN_RULES:
            return f"it is for {', '.join(f's3://{bucket}' for bucket in sorted(rule.source_buckets))}"
        case Reason.FILTERED_BY_PREFIX:
            prefix = rule.filter.prefix if key.key.startswith(rule.source_prefix) else rule.source_prefix
            return f"the key does not begin with {prefix!r}"
        case Reason.FILTERED_BY_SUFFIX:
            return f"the key does not end with {rule.filter.suffix!r}"
        case Reason.FILTERED_BY_GLOB:
            return f"the key does not match {rule.filter.glob!r}"
        case _:
            return "it is disabled"


def _difference_of_object(wanted: Filter, source: SourceObject, reason: Reason) -> str:
    if reason is Reason.FILTERED_BY_SIZE:
        if wanted.min_size is not None and source.size < wanted.min_size:
            return f"{source.size} bytes, of at least {wanted.min_size}"
        return f"{source.size} bytes, of at most {wanted.max_size}"
    missing = wanted.tags.items() - source.tags.items()
    return f"it is not tagged {', '.join(sorted(f'{name}={value}' for name, value in missing))}"
