"""The document a person writes: what it means, and that whatever is wrong in it is named."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.model import Placement
from replicator.rules import Deletes, Filter, Foreign, Parts, Rule, RulesError, SourceAccess, parse_rules

COMPLETE = """
rules:
  - id: images
    status: enabled
    priority: 10
    source:
      bucket: media
      prefix: images/
      credentials: projects/p/secrets/aws-media
      request_payer: true
    filter:
      prefix: images/2026/
      suffix: .jpg
      glob: "images/**/*.jpg"
      min_size: 1
      max_size: 10 GiB
      tags: {team: web, public: no, number: 010}
    destination:
      bucket: media-replica
      prefix: archive/
      storage_class: NEARLINE
      kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/k
    deletes: propagate
    foreign: keep
    parts: never
  - id: no
    status: disabled
    source: {buckets: [logs-a, logs-b], role: "arn:aws:iam::123456789012:role/reader"}
    destination: {bucket: logs}
"""

MINIMAL = {"id": "one", "source": {"bucket": "media"}, "destination": {"bucket": "replica"}}


def minimal(**changes: object) -> dict:
    """The shortest rule, with fields set; `source__prefix` sets a field of a field, and `...` removes one."""
    rule = json.loads(json.dumps(MINIMAL))
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = rule
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is ...:
            del place[name]
        else:
            place[name] = value
    return rule


def parsed(**changes: object) -> Rule:
    [rule] = parse_rules(json.dumps([minimal(**changes)])).rules
    return rule


def problems(content: str | bytes) -> tuple[str, ...]:
    with pytest.raises(RulesError) as refused:
        parse_rules(content)
    assert str(refused.value).startswith(refused.value.problems[0])
    return refused.value.problems


# --- Meaning ----------------------------------------------------------------------------------------------------------


def test_every_field_means_what_it_says():
    complete, disabled = parse_rules(COMPLETE).rules
    assert complete == Rule(
        id="images",
        source_buckets=frozenset({"media"}),
        destination_bucket="media-replica",
        deletes=Deletes.PROPAGATE,
        foreign=Foreign.KEEP,
        parts=Parts.NEVER,
        enabled=True,
        priority=10,
        source_prefix="images/",
        destination_prefix="archive/",
        filter=Filter(
            prefix="images/2026/",
            suffix=".jpg",
            glob="images/**/*.jpg",
            min_size=1,
            max_size=10 * 1024**3,
            tags={"team": "web", "public": "no", "number": "010"},
        ),
        placement=Placement("NEARLINE", "projects/p/locations/l/keyRings/r/cryptoKeys/k"),
        access=SourceAccess("projects/p/secrets/aws-media", None, True),
    )
    assert (disabled.id, disabled.enabled, disabled.source_buckets) == ("no", False, {"logs-a", "logs-b"})
    assert disabled.access == SourceAccess(role_arn="arn:aws:iam::123456789012:role/reader")


def test_what_holds_where_nothing_is_said():
    assert parsed() == Rule("one", frozenset({"media"}), "replica")


@pytest.mark.parametrize("wrapped", [True, False])
def test_json_yaml_and_yaml_in_one_line_are_the_same(wrapped):
    document = {"rules": [minimal()]} if wrapped else [minimal()]
    texts = [json.dumps(document), json.dumps(document, indent="\t"), json.dumps(document).replace('"', "")]
    block = "- id: one\n  source: {bucket: media}\n  destination: {bucket: replica}"
    texts.append(f"rules:\n{block}" if wrapped else block)
    texts += [f"\ufeff{text}" for text in texts]
    assert len({str(parse_rules(text)) for text in texts}) == 1
    assert parse_rules(texts[0].encode()) == parse_rules(texts[0])


@pytest.mark.parametrize(
    ("source", "destination", "prefixes"),
    [
        ({"prefix": "in/"}, {}, ("in/", "in/")),
        ({"prefix": "in/"}, {"prefix": ""}, ("in/", "")),
        ({"prefix": "in/"}, {"prefix": "out/"}, ("in/", "out/")),
        ({}, {"prefix": "out/"}, ("", "out/")),
    ],
)
def test_a_name_is_the_key_unless_the_destination_has_a_prefix(source, destination, prefixes):
    rule = parsed(source={"bucket": "media", **source}, destination={"bucket": "replica", **destination})
    assert (rule.source_prefix, rule.destination_prefix) == prefixes


@pytest.mark.parametrize(
    ("size", "count"),
    [
        (0, 0),
        (7, 7),
        ("7", 7),
        ("7B", 7),
        ("5 KB", 5000),
        ("5MB", 5_000_000),
        ("5GB", 5 * 10**9),
        ("5 TB", 5 * 10**12),
        ("5 KiB", 5 * 1024),
        ("10 MiB", 10 * 1024**2),
        ("5GiB", 5 * 1024**3),
        ("5 TiB", 5 * 1024**4),
    ],
)
def test_sizes_are_bytes_or_have_a_unit(size, count):
    assert parsed(filter__min_size=size).filter.min_size == count


@pytest.mark.parametrize("scalar", ["no", "on", "1", "010", "1e3", "2026-01-01", "1:30", ".nan", "true", "0x1f"])
def test_text_that_yaml_takes_for_something_else_stays_text(scalar):
    text = f"- id: {scalar}\n  source: {{bucket: media, prefix: {scalar}}}\n  destination: {{bucket: {scalar}xx}}\n"
    try:
        [rule] = parse_rules(f"{text}  filter: {{tags: {{{scalar}: {scalar}}}}}").rules
    except RulesError as error:
        assert error.problems == (
            f'rule "{scalar}": destination.bucket: is not the bare name of a Cloud Storage bucket',
        )
    else:
        assert (rule.id, rule.source_prefix, rule.filter.tags) == (scalar, scalar, {scalar: scalar})


def test_anchors_and_aliases_repeat_what_they_stand_for():
    text = (
        "- id: a\n  source: &media {bucket: media}\n  destination: {bucket: one}\n"
        "- id: b\n  source: *media\n  destination: {bucket: two}\n"
    )
    assert [rule.source_buckets for rule in parse_rules(text).rules] == [{"media"}, {"media"}]


def test_a_thousand_rules_are_read_in_no_time():
    rules = [minimal(id=f"r{n}", source__prefix=f"images/{n}/") for n in range(1000)]
    started = time.process_time()
    assert len(parse_rules(json.dumps(rules)).rules) == 1000
    assert time.process_time() - started < 20


# --- Errors: the document ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "rules: a list of at least one rule is required"),
        ("# only a comment", "rules: a list of at least one rule is required"),
        ("rules:", "rules: a list of at least one rule is required"),
        ("rules: []", "rules: a list of at least one rule is required"),
        ("rules: {id: a}", "rules: a list of at least one rule is required"),
        ("rules: text", "rules: a list of at least one rule is required"),
        ("7", "rules: a list of at least one rule is required"),
        ("{}", "rules: a list of at least one rule is required"),
        ("Rules: []", '"Rules": is not a field of the document; that is `rules`'),
        ('{"rules": [], "version": 1}', '"version": is not a field of the document; that is `rules`'),
        ("rules:\n- id: a\n  id: b", 'line 3: the field "id" is given twice in one place'),
        ('{"rules": 1, "rules": 2}', 'the field "rules" is given twice in one place'),
        ("rules:\n- [a\n- b: c\n", "line 3: not valid YAML"),
        ("rules:\n\t- id: a", "line 2: not valid YAML"),
        ("rules: 'secret-text", "line 1: not valid YAML"),
        ("rules: @secret-text", "line 1: not valid YAML"),
        ('{\n"rules": [\n"secret-text" : }', "line 3: not valid JSON"),
        ("rules:\n- \x00", "line 2: a character that YAML does not allow"),
        ("rules: *secret", "line 1: an alias without its anchor, an anchor given twice, or a second document"),
        (
            "rules: []\n---\nrules: []",
            "line 2: an alias without its anchor, an anchor given twice, or a second document",
        ),
        ("rules: &a [*a]", "line 1: an alias within what it stands for"),
        ("? [a]\n: b", "line 1: the name of a field is not text"),
        ("[" * 50_000, "the document is nested too deeply"),
        ("rules: " + "[" * 50_000, "the document is nested too deeply"),
        ('{"rules": 1' + "0" * 5000 + "}", "the document holds a number that is too long"),
        ("#" * (256 * 1024 + 1), "the document is larger than 256 KiB"),
        (b"rules: \xff\xfe", "the document is not UTF-8"),
        ("rules: \udcff", "the document is not UTF-8"),
        (json.dumps([MINIMAL] * 1001), "rules: are more than 1000"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_document_that_cannot_be_read_is_refused_and_the_line_is_named(content, problem):
    assert problems(content) == (problem,)


def test_aliases_of_aliases_cannot_blow_up():
    names = "abcdefghij"
    text = "".join(f"{name}: &{name} [{','.join(['*' + below] * 9)}]\n" for below, name in pairwise(names))
    started = time.process_time()
    problems(f"a: &a [x, x, x]\n{text}")
    problems("rules:\n- &a {id: [x]}\n" + "- *a\n" * 900)
    assert time.process_time() - started < 10


@given(st.text(st.sampled_from("rules: -{}[]&*!\n\"'id,a|>#%@?\t\x01\ud800"), max_size=60))
def test_any_text_is_rules_or_refused(text):
    with pytest.raises(RulesError):
        parse_rules(text)


# --- Errors: the rules ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"destination__bucket": ...}, "destination.bucket: is required"),
        ({"destination": ...}, "destination: is required"),
        ({"source": "media"}, "source: is not a mapping"),
        ({"source__bucket": ...}, "source: one of bucket and buckets is required"),
        ({"source__buckets": ["other"]}, "source: one of bucket and buckets is required"),
        ({"source": {"buckets": []}}, "source.buckets: is empty"),
        ({"source": {"buckets": "media"}}, "source.buckets: is not a list"),
        ({"source": {"buckets": ["media", "secret/text"]}}, "source.buckets.1: is not the bare name of an S3 bucket"),
        ({"source__bucket": "s3://secret-text"}, "source.bucket: is not the bare name of an S3 bucket"),
        ({"source__bucket": ""}, "source.bucket: is not the bare name of an S3 bucket"),
        ({"destination__bucket": "Secret-Text"}, "destination.bucket: is not the bare name of a Cloud Storage bucket"),
        ({"destination__bucket": 7}, "destination.bucket: is not text"),
        ({"source__prefix": None}, "source.prefix: is not text"),
        ({"source__prefix": "é" * 513}, "source.prefix: is longer than any key, 1024 bytes"),
        ({"filter__suffix": "\ud800"}, "filter.suffix: is not valid Unicode"),
        ({"filter__glob": "a["}, "filter.glob: has a `[` without its `]`, or nothing between them, at character 2"),
        ({"filter__min_size": -1}, "filter.min_size: is not a size"),
        ({"filter__min_size": 1.5}, "filter.min_size: is not a size"),
        ({"filter__min_size": True}, "filter.min_size: is not a size"),
        ({"filter__max_size": "secret"}, "filter.max_size: is not a size"),
        ({"filter__max_size": "5 gib"}, "filter.max_size: is not a size"),
        ({"filter__max_size": "1_000"}, "filter.max_size: is not a size"),
        ({"filter__max_size": "٣"}, "filter.max_size: is not a size"),
        ({"filter": {"min_size": 2, "max_size": 1}}, "filter: min_size is more than max_size"),
        ({"filter__tags": ["team"]}, "filter.tags: is not a mapping"),
        ({"filter__tags": {"team": 7}}, "filter.tags.team: is not text"),
        ({"filter__tags": {"team": "x" * 257}}, "filter.tags.team: is not 0 to 256 characters"),
        ({"filter__tags": {str(n): "" for n in range(11)}}, "filter.tags: has too many entries"),
        ({"filter__prefix": "x", "source__prefix": "y"}, "filter.prefix: no key begins with it and with source.prefix"),
        ({"filter__size": 1}, "filter.size: is not a field that there is here"),
        ({"filters": {}}, "filters: is not a field that there is here"),
        ({"x" * 99: {}}, f"{'x' * 40}…: is not a field that there is here"),
        ({"destination__storage_class": "nearline"}, "destination.storage_class: should be 'STANDARD', 'NEARLINE'"),
        ({"destination__kms_key": "projects/secret-text"}, "destination.kms_key: is not a key's resource"),
        ({"source__credentials": "AKIASECRET"}, "source.credentials: is not a secret's resource"),
        ({"source__role": "secret-text"}, "source.role: is not the ARN of an AWS role"),
        (
            {"source__credentials": "projects/p/secrets/s", "source__role": "arn:aws:iam::123456789012:role/r"},
            "source: give credentials or role, not both",
        ),
        ({"source__request_payer": "yes"}, "source.request_payer: is neither true nor false"),
        ({"source__request_payer": 1}, "source.request_payer: is neither true nor false"),
        ({"status": "Enabled"}, "status: should be 'enabled' or 'disabled'"),
        ({"priority": "high"}, "priority: is not a whole number"),
        ({"priority": True}, "priority: is not a whole number"),
        ({"priority": 1.5}, "priority: is not a whole number"),
        ({"deletes": True}, "deletes: should be 'ignore' or 'propagate'"),
        ({"foreign": "secret"}, "foreign: should be 'overwrite' or 'keep'"),
        ({"parts": "no"}, "parts: should be 'auto' or 'never'"),
        ({"parts": False}, "parts: should be 'auto' or 'never'"),
        ({"destination__prefix": ".replicator/x"}, "destination.prefix: Cloud Storage can hold no name of this rule"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_field_that_is_wrong_is_named_with_its_rule_and_its_value_is_not_shown(changes, problem):
    [found] = problems(json.dumps([minimal(**changes)]))
    assert found.startswith(f'rule "one": {problem}')
    assert "secret-text" not in found.lower()
    assert "AKIA" not in found
    assert len(found) < 200


@pytest.mark.parametrize("id", [..., "", "x" * 256, "a\nb", None, 7, ["a"]], ids=repr)
def test_a_rule_without_a_usable_id_is_named_by_its_position(id):
    [found] = problems(json.dumps([minimal(), minimal(id=id)]))
    assert found.startswith("rule 2: id: ")


@pytest.mark.parametrize("item", ["text", None, ["a"], 7])
def test_a_rule_that_is_no_mapping_is_named_by_its_position(item):
    assert problems(json.dumps([item])) == ("rule 1: is not a mapping",)


def test_all_that_is_wrong_is_named_at_once():
    rules = [minimal(id="a", priority="x", destination__bucket=...), minimal(id="b", status="x"), minimal(id="a")]
    assert [problem.partition(": ")[::2] for problem in problems(json.dumps(rules))] == [
        ('rule "a"', "priority: is not a whole number"),
        ('rule "a"', "destination.bucket: is required"),
        ('rule "b"', "status: should be 'enabled' or 'disabled'"),
        ("rule 3", 'id: "a" is the id of rule 1, too'),
    ]


def test_a_message_has_twenty_problems_at_most_and_counts_the_others():
    with pytest.raises(RulesError) as refused:
        parse_rules(json.dumps([minimal(id=f"r{n}", status="x") for n in range(22)]))
    assert len(refused.value.problems) == 22
    assert str(refused.value) == "; ".join((*refused.value.problems[:20], "and 2 more"))


def test_rules_that_write_one_name_from_different_keys_are_refused_naming_both():
    rules = [minimal(id="a"), minimal(id="b", source__bucket="other")]
    assert problems(json.dumps(rules)) == (
        'rules "a" and "b": destination: both write "gs://replica/x", from "s3://media/x" and "s3://other/x"',
    )


def test_ids_of_disabled_rules_are_taken_too_but_their_names_are_not():
    rules = [minimal(id="a"), minimal(id="b", source__bucket="other", status="disabled")]
    assert len(parse_rules(json.dumps(rules)).rules) == 2
    [problem] = problems(json.dumps([rules[0], {**rules[1], "id": "a"}]))
    assert problem == 'rule 2: id: "a" is the id of rule 1, too'


def test_rules_of_which_none_is_enabled_are_refused():
    [problem] = problems(json.dumps([minimal(status="disabled")]))
    assert problem.startswith("no rule is enabled")
