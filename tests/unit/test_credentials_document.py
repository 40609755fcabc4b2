"""What docs/credentials.md says is what the code does."""

import json
import re
from pathlib import Path

import pytest
from pydantic import AliasChoices

from replicator.adapters.key_payload import parse_keys
from replicator.adapters.sts import MAX_AGE, SESSION_NAME, SESSION_SECONDS
from replicator.rules.document import _RuleDocument
from replicator.settings import EngineSettings, IngestSettings, ReplicateSettings

TEXT = (Path(__file__).parents[2] / "docs/credentials.md").read_text("utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", TEXT, re.DOTALL)
POLICY, KEYS, PROFILE = (text for _, text in BLOCKS)


def test_every_other_name_of_a_variable_is_listed_in_the_order_in_which_it_counts():
    fields = {**ReplicateSettings.model_fields, **IngestSettings.model_fields}
    aliases = [field.validation_alias for field in fields.values() if isinstance(field.validation_alias, AliasChoices)]
    rows = [
        f"| `{first}` | {', '.join(f'`{other}`' for other in others)} |"
        for first, *others in (a.choices for a in aliases)
    ]
    listed = re.search(r"<!-- aliases -->\n(.*)\n<!-- /aliases -->", TEXT, re.DOTALL)[1]
    assert listed.splitlines() == ["| variable | also |", "|---|---|", *rows]


@pytest.mark.parametrize("payload", [KEYS, PROFILE])
def test_the_payloads_shown_are_understood(payload):
    # An ellipsis stands for what is not shown; no key has one.
    keys = parse_keys(payload.replace("…", "x").encode())
    assert keys.access_key_id == "AKIAx"


def test_the_trust_policy_pins_the_audience_that_is_asked_for_and_the_account_twice():
    (statement,) = json.loads(POLICY)["Statement"]
    conditions = statement["Condition"]["StringEquals"]
    assert set(conditions) == {f"accounts.google.com:{claim}" for claim in ("aud", "oaud", "sub")}
    assert conditions["accounts.google.com:oaud"] == EngineSettings.model_fields["aws_role_audience"].default
    assert conditions["accounts.google.com:aud"] == conditions["accounts.google.com:sub"]


def test_the_times_and_the_session_are_the_codes():
    assert (SESSION_SECONDS, MAX_AGE) == (3600, 45 * 60)
    assert f"called `{SESSION_NAME}`" in TEXT


def test_every_field_of_a_rule_that_is_named_exists():
    fields = {f"source.{name}" for name in _RuleDocument.model_fields["source"].annotation.model_fields}
    named = set(re.findall(r"`(source\.\w+)`", TEXT))
    assert {"source.credentials", "source.role", "source.request_payer"} <= named <= fields
    assert not re.search(r"`(credentials_secret|role_arn|request_payer)`", TEXT), "the code's names, not the document's"


def test_every_variable_that_is_named_exists():
    known = {name.upper() for kind in (ReplicateSettings, IngestSettings) for name in kind.model_fields}
    sdks = {"AWS_ENDPOINT_URL_STS", "AWS_ACCESS_KEY_ID"}
    before_aliases = TEXT.partition("<!-- aliases -->")[0]
    assert set(re.findall(r"`((?:AWS|GCP)_[A-Z0-9_]+)", before_aliases)) <= known | sdks
