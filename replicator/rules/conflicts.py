"""What is wrong with rules that are right one by one: names that nothing can hold, and names that two keys would share.

Only what is certain is refused. A glob, a size or a tag may keep two rules apart, so rules that have one are left to
`decide`, which sees the object that is there (docs/decisions/007).
"""

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from replicator.model import SourceKey
from replicator.rules.fields import MAX_KEY_BYTES
from replicator.rules.filter import Filter
from replicator.rules.names import problem_with_name
from replicator.rules.rule import Rule
from replicator.rules.syntax import shown


def conflicts(rules: Sequence[Rule]) -> Iterator[str]:
    """Each problem, naming the rules and the field. Disabled rules are in nobody's way."""
    enabled = [rule for rule in rules if rule.enabled]
    for rule in enabled:
        if problem := _problem_with_every_name(rule):
            yield f"rule {shown(rule.id)}: destination.prefix: Cloud Storage can hold no name of this rule: {problem}"
    for first, second in combinations(enabled, 2):
        for problem in _problems_between(first, second):
            yield f"rules {shown(first.id)} and {shown(second.id)}: {problem}"


def _problems_between(first: Rule, second: Rule) -> Iterator[str]:
    if first.access != second.access and (buckets := first.source_buckets & second.source_buckets):
        yield f"source: both read {', '.join(sorted(buckets))}, in different ways; credentials belong to a bucket"
    if found := keys_of_one_name(first, second):
        name, one, other = (shown(str(shared)) for shared in (first.destination(found[0]), *found))
        yield f"destination: both write {name}, from {one} and {other}"


def keys_of_one_name(first: Rule, second: Rule) -> tuple[SourceKey, SourceKey] | None:
    """Two different keys, one of each rule, that go to one name; `None` if there are none or it cannot be told."""
    if first.destination_bucket != second.destination_bucket:
        return None
    if not (first.filter.only_by_prefix_and_suffix and second.filter.only_by_prefix_and_suffix):
        return None
    for name in _shared_names(first, second):
        keys = _key_of(first, name), _key_of(second, name)
        for one, other in product(sorted(first.source_buckets), sorted(second.source_buckets)):
            if (one, keys[0]) != (other, keys[1]):
                return SourceKey(one, keys[0]), SourceKey(other, keys[1])
    return None


def _shared_names(first: Rule, second: Rule) -> Iterator[str]:
    """Names that keys of both rules have and Cloud Storage can hold; at least one if there are any, by prefix and
    suffix alone.

    Such a name begins with both rules' beginnings, so with the longer one. If what follows is shorter than the longer
    suffix, it is the end of that suffix, for the key ends with it. If it is not shorter, it can be replaced by that
    suffix itself, or, where the name so made is not one that can be held, by that with one more character before it.
    """
    shorter, beginning = sorted((_beginning(first), _beginning(second)), key=len)
    if not beginning.startswith(shorter):
        return
    ending = max(first.filter.suffix, second.filter.suffix, key=len)
    ends = [ending[start:] for start in range(len(ending), -1, -1)] + [f"x{ending}"]
    for name in (beginning + end for end in ends):
        if _has(first, name) and _has(second, name) and not problem_with_name(name):
            yield name


def _beginning(rule: Rule) -> str:
    """What all names of the rule begin with."""
    return rule.destination_prefix + rule.filter.prefix[len(rule.source_prefix) :]


def _key_of(rule: Rule, name: str) -> str:
    """The only key that can have this name, which begins with the rule's destination prefix."""
    return rule.source_prefix + name.removeprefix(rule.destination_prefix)


def _has(rule: Rule, name: str) -> bool:
    """Whether a key of the rule has this name."""
    if not name.startswith(rule.destination_prefix):
        return False
    key = _key_of(rule, name)
    by_prefix_and_suffix = Filter(rule.filter.prefix, rule.filter.suffix)
    passes = key.startswith(rule.source_prefix) and by_prefix_and_suffix.mismatch_of_key(key) is None
    return passes and 1 <= len(key.encode()) <= MAX_KEY_BYTES


def _problem_with_every_name(rule: Rule) -> str | None:
    """What Cloud Storage has against all names of a rule; `None` if there is one that it can hold."""
    if next(_shared_names(rule, rule), None) is not None:
        return None
    return problem_with_name(f"{_beginning(rule)}x{rule.filter.suffix}") or "no key is so long"
