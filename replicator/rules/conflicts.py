"""What is wrong with rules that are right one by one: names that nothing can hold, and names that two keys would share.

Only what is certain is refused. A glob, a size or a tag may keep two rules apart, so rules that have one are left to
`decide`, which sees the object that is there (docs/decisions/007).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product

from replicator.model import MAX_KEY_BYTES, SourceKey
from replicator.rules.filter import Filter
from replicator.rules.names import MAX_NAME_BYTES, problem_with_name
from replicator.rules.rule import Rule
from replicator.rules.syntax import shown


def conflicts(rules: Sequence[Rule]) -> Iterator[str]:
    """Each problem, naming the rules and the field; of each rule the first with an earlier one. Disabled rules are in
    nobody's way."""
    enabled = [rule for rule in rules if rule.enabled]
    for rule in enabled:
        if problem := _problem_with_every_name(rule):
            yield f"rule {shown(rule.id)}: destination.prefix: Cloud Storage can hold no name of this rule: {problem}"
    yield from _buckets_read_in_different_ways(enabled)
    yield from _names_of_different_keys(enabled)


def _buckets_read_in_different_ways(rules: Sequence[Rule]) -> Iterator[str]:
    first_reader: dict[str, Rule] = {}
    for rule in rules:
        for bucket in sorted(rule.source_buckets):
            first = first_reader.setdefault(bucket, rule)
            if first.access != rule.access:
                both = ", ".join(sorted(first.source_buckets & rule.source_buckets))
                between = f"rules {shown(first.id)} and {shown(rule.id)}"
                yield f"{between}: source: both read {both}, in different ways; credentials belong to a bucket"
                break


def _names_of_different_keys(rules: Sequence[Rule]) -> Iterator[str]:
    """Of a thousand rules there are half a million pairs: what all names of a rule begin and end with keeps nearly all
    of them apart, and is looked for once a rule."""
    earlier: defaultdict[str, list[tuple[Rule, str, str]]] = defaultdict(list)
    for rule in rules:
        beginning, ending = _beginning(rule), _ending(rule)
        for first, first_beginning, first_ending in earlier[rule.destination_bucket]:
            if not (beginning.startswith(first_beginning) or first_beginning.startswith(beginning)):
                continue
            if not (ending.endswith(first_ending) or first_ending.endswith(ending)):
                continue
            if found := keys_of_one_name(first, rule):
                name, one, other = (shown(str(shared)) for shared in (first.destination(found[0]), *found))
                between = f"rules {shown(first.id)} and {shown(rule.id)}"
                yield f"{between}: destination: both write {name}, from {one} and {other}"
                break
        earlier[rule.destination_bucket].append((rule, beginning, ending))


def keys_of_one_name(first: Rule, second: Rule) -> tuple[SourceKey, SourceKey] | None:
    """Two different keys, one of each rule, that go to one name; `None` if there are none or it cannot be told."""
    if first.destination_bucket != second.destination_bucket:
        return None
    if not (first.filter.only_by_prefix_and_suffix and second.filter.only_by_prefix_and_suffix):
        return None
    if first.source_buckets == second.source_buckets and len(first.source_buckets) == 1 and _same_keys(first, second):
        return None
    name = _shared_name(first, second)
    if name is None:
        return None
    keys = _key_of(first, name), _key_of(second, name)
    pairs = product(sorted(first.source_buckets), sorted(second.source_buckets))
    one, other = next(pair for pair in pairs if keys[0] != keys[1] or pair[0] != pair[1])
    return SourceKey(one, keys[0]), SourceKey(other, keys[1])


def _same_keys(first: Rule, second: Rule) -> bool:
    """Whether each name that both have comes from one key. The two differ in what stands before the part that key and
    name share, which is the same for all names; so this is so for all or for none."""
    name = max(first.destination_prefix, second.destination_prefix, key=len)
    return _key_of(first, name) == _key_of(second, name)


def _shared_name(first: Rule, second: Rule) -> str | None:
    """A name that keys of both rules have and Cloud Storage can hold, by prefix and suffix alone; `None` if there is
    none.

    Such a name begins with both rules' beginnings, so with the longer one. If what follows is shorter than the longer
    suffix, it is the end of that suffix, for the key ends with it. If it is not shorter, it can be replaced by that
    suffix itself, or, where the name so made is not one that can be held, by that with one more character before it.
    Where neither suffix is the end of the other, what follows is shorter than both, and the end of either.
    """
    shorter, beginning = sorted((_beginning(first), _beginning(second)), key=len)
    if not beginning.startswith(shorter):
        return None
    short, long = sorted((first, second), key=lambda rule: len(rule.filter.suffix))
    rule = long if long.filter.suffix.endswith(short.filter.suffix) else short
    suffix = rule.filter.suffix
    ends = [suffix[overlap:] for overlap in _overlaps(_key_of(rule, beginning), suffix)] + [f"x{suffix}"]
    for end in ends:
        name = beginning + end
        if len(name) > MAX_NAME_BYTES:  # the others are longer
            return None
        if _has(first, name) and _has(second, name) and not problem_with_name(name):
            return name
    return None


def _overlaps(before: str, suffix: str) -> Iterator[int]:
    """How much of the suffix may be in a key that begins with `before` before what follows that: the most first."""
    start = max(0, len(before) - len(suffix))
    while suffix and (start := before.find(suffix[0], start)) >= 0:
        if suffix.startswith(before[start:]):
            yield len(before) - start
        start += 1
    yield 0


def _beginning(rule: Rule) -> str:
    """What all names of the rule begin with."""
    return rule.destination_prefix + rule.filter.prefix[len(rule.source_prefix) :]


def _ending(rule: Rule) -> str:
    """What all names of the rule end with: the suffix, without what may be a part of the prefix that is replaced."""
    return rule.filter.suffix[next(_overlaps(rule.source_prefix, rule.filter.suffix)) :]


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
    if _shared_name(rule, rule) is not None:
        return None
    return problem_with_name(f"{_beginning(rule)}x{rule.filter.suffix}") or "no key is so long"
