"""What is refused at start about rules that are right one by one: nothing but what is certain, and all that is."""

from itertools import product
from time import process_time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from replicator.model import SourceKey
from replicator.rules import Filter, Rule, SourceAccess
from replicator.rules.conflicts import conflicts, keys_of_one_name
from replicator.rules.document import MAX_RULES
from replicator.rules.names import problem_with_name


def rule(
    id: str = "r",
    buckets: str = "a",
    source: str = "",
    to: str | None = None,
    prefix: str = "",
    suffix: str = "",
    **more,
) -> Rule:
    more.setdefault("filter", Filter(prefix, suffix))
    bucket = more.pop("bucket", "replica")
    to = source if to is None else to
    return Rule(id, frozenset(buckets), bucket, source_prefix=source, destination_prefix=to, **more)


def pair(first: dict, second: dict) -> list[str]:
    return list(conflicts([rule("one", **first), rule("two", **second)]))


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ({"buckets": "a"}, {"buckets": "b"}, "x"),
        ({"source": "x/"}, {"source": "y/", "to": "x/"}, "x/"),
        ({}, {"to": "copy/"}, "copy/x"),
        ({"source": "x/", "to": ""}, {"source": "y/", "to": ""}, "x"),
        ({"buckets": "a", "prefix": "in/"}, {"buckets": "b", "suffix": ".jpg"}, "in/.jpg"),
        ({"buckets": "ab"}, {"buckets": "ab"}, "x"),
        ({"buckets": "ab", "suffix": ".jpg"}, {"buckets": "b"}, ".jpg"),
        ({"buckets": "ab"}, {"buckets": "c", "prefix": "c/", "to": "c/"}, "c/c/"),
        # Different suffixes meet where each key ends its suffix with its own prefix.
        ({"source": "A", "to": "", "suffix": "Az"}, {"source": "B", "to": "", "suffix": "Bz"}, "z"),
        # The shortest name would be one that Cloud Storage cannot hold.
        ({"buckets": "a", "suffix": "."}, {"buckets": "b"}, "x."),
        ({"buckets": "a", "to": ".repl"}, {"buckets": "b", "to": ".repl", "suffix": "icator/"}, ".replxicator/"),
    ],
)
def test_two_rules_that_write_one_name_from_different_keys_are_refused_with_an_example(first, second, name):
    [problem] = pair(first, second)
    assert problem.startswith(f'rules "one" and "two": destination: both write "gs://replica/{name}", from "s3://')
    [mirrored] = pair(second, first)
    assert f'"gs://replica/{name}"' in mirrored


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {}),
        ({"source": "x/"}, {"prefix": "x/"}),
        ({"source": "x/", "to": "y/x/"}, {"to": "y/"}),
        ({"buckets": "a"}, {"buckets": "b", "bucket": "other"}),
        ({"buckets": "a", "to": "a/"}, {"buckets": "b", "to": "b/"}),
        ({"buckets": "a", "prefix": "x/"}, {"buckets": "b", "prefix": "y/"}),
        ({"buckets": "a", "suffix": ".jpg"}, {"buckets": "b", "suffix": ".png"}),
        ({"source": "A", "to": "", "suffix": "Az"}, {"source": "B", "to": "", "suffix": "Cz"}),
        ({"buckets": "a", "to": "c"}, {"buckets": "b", "to": "c" * 1024, "prefix": "k" * 1024}),
        ({"buckets": "a"}, {"buckets": "b", "enabled": False}),
    ],
    ids=repr,
)
def test_rules_that_share_a_name_only_from_one_key_or_not_at_all_are_not_refused(first, second):
    assert [problem for problem in pair(first, second) if "both write" in problem] == []
    assert [problem for problem in pair(second, first) if "both write" in problem] == []


@pytest.mark.parametrize(
    "narrower", [Filter(glob="*"), Filter(min_size=1), Filter(max_size=1), Filter(tags={"team": "web"})], ids=repr
)
def test_what_a_glob_a_size_or_a_tag_may_keep_apart_is_not_refused(narrower):
    assert pair({"buckets": "a", "filter": narrower}, {"buckets": "b"}) == []
    assert pair({"buckets": "a"}, {"buckets": "b", "filter": narrower}) == []


def test_one_rule_with_several_buckets_is_a_deliberate_merge():
    assert list(conflicts([rule(buckets="abc")])) == []


def test_a_bucket_is_read_in_one_way():
    web, ops = SourceAccess("projects/p/secrets/web"), SourceAccess(role_arn="arn:aws:iam::123456789012:role/ops")
    for first, second in ((web, ops), (web, SourceAccess()), (SourceAccess(), SourceAccess(request_payer=True))):
        [problem] = pair({"access": first}, {"access": second, "to": "", "bucket": "other"})
        assert problem.startswith('rules "one" and "two": source: both read a, in different ways')
        assert "secrets" not in problem
    assert pair({"access": web}, {"access": web}) == []
    assert pair({"access": web}, {"access": ops, "buckets": "b", "bucket": "other"}) == []
    assert pair({"access": web}, {"access": ops, "enabled": False}) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"to": ".replicator/"}, "belong to the replicator"),
        ({"to": ".replicator/parts/"}, "belong to the replicator"),
        ({"source": ".replicator/"}, "belong to the replicator"),
        ({"prefix": ".replicator/x"}, "belong to the replicator"),
        ({"to": ".well-known/acme-challenge/"}, "acme-challenge"),
        ({"to": "a\nb"}, "line feed"),
        ({"suffix": "\r"}, "carriage return"),
        ({"to": "é" * 512}, "has 1025"),
        ({"to": "é" * 500, "suffix": "x" * 25}, "has 1026"),
        ({"source": "a" * 1000, "to": "", "suffix": "b" * 100}, "no key"),
    ],
)
def test_a_rule_whose_every_name_is_one_that_cannot_be_held_is_refused(given, problem):
    [found] = conflicts([rule("one", **given)])
    assert found.startswith('rule "one": destination.prefix: ')
    assert problem in found


@pytest.mark.parametrize(
    "given",
    [
        {"to": ".replicator"},
        {"to": "x/.replicator/"},
        {"to": "é" * 511 + "x"},
        {"source": "a" * 1023, "to": ""},
        {"suffix": ".replicator/"},
        {"source": "x/", "to": ""},
    ],
)
def test_a_rule_of_which_some_name_can_be_held_is_not_refused(given):
    assert list(conflicts([rule("one", **given)])) == []


def test_a_rule_is_named_with_the_first_that_it_is_in_conflict_with():
    found = list(conflicts([rule(id, id) for id in "abc"]))
    assert [problem.partition(":")[0] for problem in found] == ['rules "a" and "b"', 'rules "a" and "c"']


# --- As many as a document may have -----------------------------------------------------------------------------------

MANY = {
    "prefixes": [rule(source=f"{n}/") for n in range(MAX_RULES)],
    "suffixes": [rule(suffix=f".{n:03}") for n in range(MAX_RULES)],
    "suffixes from two buckets": [rule(buckets="ab"[n % 2], suffix=f".{n:03}") for n in range(MAX_RULES)],
    "suffixes that one prefix reaches into": [rule(source="a", to="", suffix=f"a{n:03}") for n in range(MAX_RULES)],
    "one name from one key": [rule(suffix=".jpg") for _ in range(MAX_RULES)],
    "prefixes in one another": [rule(source="a" * n) for n in range(MAX_RULES)],
    "one bucket in as many ways": [
        rule(bucket="replica", source=f"{n}/", access=SourceAccess(f"projects/p/secrets/{n}")) for n in range(MAX_RULES)
    ],
    "one name from as many keys": [rule(source=f"{n}/", to="") for n in range(MAX_RULES)],
    "long suffixes": [rule(buckets="ab"[n % 2], suffix=f"{'s' * 1000}{n:03}") for n in range(200)],
    "long suffixes that a prefix reaches into": [
        *(rule(source="a" * 700, to="", suffix=f"{'a' * 500}b") for _ in range(100)),
        *(rule(suffix="cb") for _ in range(900)),
    ],
}


@pytest.mark.parametrize("rules", MANY.values(), ids=MANY)
def test_as_many_rules_as_a_document_may_have_are_checked_soon(rules):
    """In about a second at most where this was written. The bound is generous, for slow machines."""
    started = process_time()
    list(conflicts(rules))
    assert process_time() - started < 4


# --- Against everything that there is in a small world ----------------------------------------------------------------

ALPHABET = "a/"
KEYS = ["".join(letters) for length in range(1, 10) for letters in product(ALPHABET, repeat=length)]
short = st.text(ALPHABET, max_size=2)


@st.composite
def small_rules(draw) -> Rule:
    source = draw(short)
    prefix = draw(st.sampled_from(["", source, source[:1], source + draw(short)[:1]]))
    buckets = draw(st.sampled_from(["a", "b", "ab"]))
    return rule("r", buckets, source, draw(short), prefix, draw(short))


def names(one: Rule) -> dict[str, set[SourceKey]]:
    """All the names that a rule writes in the small world, each with the keys it is written from."""
    found: dict[str, set[SourceKey]] = {}
    for bucket, key in product(one.source_buckets, KEYS):
        source = SourceKey(bucket, key)
        if one.mismatch_of_key(source) is None:
            name = one.destination(source).name
            if not problem_with_name(name):
                found.setdefault(name, set()).add(source)
    return found


@settings(max_examples=400)
@given(small_rules(), small_rules())
@example(rule(source="a", to="", suffix="aa"), rule(source="/", to="", suffix="/a"))
def test_two_rules_are_refused_exactly_if_two_different_keys_have_one_name(first, second):
    of_first, of_second = names(first), names(second)
    clash = any(
        one != other
        for name in of_first.keys() & of_second.keys()
        for one, other in product(of_first[name], of_second[name])
    )
    found = keys_of_one_name(first, second)
    assert (found is not None) is clash
    assert any("both write" in problem for problem in conflicts([first, second])) is clash
    if found:
        one, other = found
        assert one != other
        assert first.mismatch_of_key(one) is second.mismatch_of_key(other) is None
        assert first.destination(one) == second.destination(other)
